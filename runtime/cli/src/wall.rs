//! The second wall, as the commands raise it that run guests: which folders they need, and when.

use std::fs::DirBuilder;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use toolcell_core::manifest::Access;
use toolcell_host::policy::{Folder, SecretStore};
use toolcell_host::wall::{Held, Standing, Wall};
use toolcell_host::{Allow, Policy};

use crate::environment::TOOLCELL_WALL;
use crate::exit::CliError;
use crate::paths::Paths;

/// The running program, whatever has become of its file since: an upgrade may have replaced it.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// What the system's libraries and the engine read. Only what is there is let in.
const SYSTEM: &[&str] = &[
    // Name resolution, and the modules that it loads.
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    // Certificates that the operator trusts.
    "/etc/pki/tls",
    "/etc/ssl",
    "/usr/share/ca-certificates",
    // How much of the machine is ours, and which pages a guest has touched.
    "/proc/meminfo",
    "/proc/self/cgroup",
    "/proc/self/maps",
    "/proc/self/mountinfo",
    "/proc/self/pagemap",
    "/proc/self/task",
    "/proc/sys/vm/overcommit_memory",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/random",
    "/dev/urandom",
];

/// A wall for a process that runs guests over a home: it may read the home and write receipts, compiled code and their keys.
pub(crate) struct Plan(Wall);

impl Plan {
    /// Everything but what a command adds.
    pub(crate) fn over(paths: &Paths) -> Self {
        let mut wall = Wall {
            read: SYSTEM.iter().map(PathBuf::from).collect(),
            write: paths.written_by_calls().to_vec(),
            execute: vec![PathBuf::from(THIS_PROGRAM)],
        };
        // The compiling child is the same program, so what this process has mapped is what loads that one.
        wall.execute.extend(mapped());
        wall.read.push(paths.home().to_owned());
        Self(wall)
    }

    /// A file or folder that is read besides.
    pub(crate) fn read(mut self, path: &Path) -> Self {
        self.0.read.push(path.to_owned());
        self
    }

    /// Every folder that a policy mounts for anybody: the very folders that it holds, whatever their paths lead to by now.
    pub(crate) fn mounts(mut self, policy: &Policy) -> Self {
        for allow in policy.rules().iter().flat_map(|rule| &rule.allow) {
            let Allow::Mount(Folder { mount, .. }) = allow else { continue };
            let folder = PathBuf::from(format!("/proc/self/fd/{}", mount.dir.as_raw_fd()));
            match mount.access {
                Access::ReadOnly => self.0.read.push(folder),
                Access::ReadWrite => self.0.write.push(folder),
            }
        }
        self
    }

    /// The files of a policy's secrets. They are read again when they change.
    pub(crate) fn secrets(mut self, policy: &Policy) -> Self {
        for store in policy.secret_stores() {
            match store {
                SecretStore::Environment(_) => {}
                SecretStore::File(path) => self = self.read(path),
                SecretStore::Age { file, identity } => self = self.read(file).read(identity),
            }
        }
        self
    }

    /// A folder that is written to besides.
    pub(crate) fn write(mut self, path: &Path) -> Self {
        self.0.write.push(path.to_owned());
        self
    }

    /// Raises the wall, unless the operator has switched it off. No thread may have been started.
    pub(crate) fn raise(self) -> Result<(), CliError> {
        if is_off() {
            return Ok(());
        }
        // A folder that is not there could be made by nobody once the wall is up.
        for folder in &self.0.write {
            if !folder.exists() {
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
                    CliError::failed(format!("cannot make the folder `{}`", folder.display())).because(&error)
                })?;
            }
        }
        let standing = self.0.raise().map_err(|error| {
            CliError::failed("the second wall cannot be raised")
                .because(&error)
                .next("Set TOOLCELL_WALL=off to run without it: then the sandbox alone holds a tool.")
        })?;
        for (what, held) in parts(&standing) {
            if let Some(reason) = reason(held) {
                tracing::info!(what, reason, "the second wall is not complete");
            }
        }
        Ok(())
    }
}

/// Whether the operator has switched it off.
pub(crate) fn is_off() -> bool {
    TOOLCELL_WALL.get().is_some_and(|value| value == "off")
}

/// The parts of a wall, by what they hold.
pub(crate) fn parts(standing: &Standing) -> [(&'static str, &Held); 2] {
    [("files", &standing.files), ("system calls", &standing.calls)]
}

/// What is missing of a part; nothing where all of it is in force.
pub(crate) fn reason(held: &Held) -> Option<&str> {
    match held {
        Held::Whole => None,
        Held::Partly { reason } | Held::Not { reason } => Some(reason),
    }
}

/// The program and the libraries that this process is made of. Where the system does not say, the child may fail to start,
/// which is said then.
fn mapped() -> Vec<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // Address, permissions, offset, device, inode, path: only executable mappings of files matter, and only once.
    let path = |line: &str| {
        let executable = line.split(' ').nth(1).is_some_and(|permissions| permissions.contains('x'));
        line.find('/').filter(|_| executable).map(|at| PathBuf::from(&line[at..]))
    };
    let mut paths: Vec<_> = maps.lines().filter_map(path).collect();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use toolcell_host::Pattern;

    use super::*;

    #[test]
    fn what_this_process_is_made_of_can_be_executed() {
        let this = std::env::current_exe().expect("a program");
        assert!(mapped().contains(&this));
    }

    #[test]
    fn a_read_only_mount_is_not_written_to() {
        let (ro, rw) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let policy = Policy::deny_all()
            .mount(Pattern::Any, ro.path(), "/ro", Access::ReadOnly)
            .and_then(|policy| policy.mount(Pattern::Any, rw.path(), "/rw", Access::ReadWrite))
            .expect("mounts");
        let plan = Plan::over(&Paths::within(Path::new("/home/x"))).mounts(&policy);
        let same = |paths: &[PathBuf], folder: &Path| {
            paths
                .iter()
                .filter_map(|path| path.canonicalize().ok())
                .any(|path| path == folder.canonicalize().expect("is there"))
        };
        assert!(same(&plan.0.read, ro.path()) && !same(&plan.0.write, ro.path()));
        assert!(same(&plan.0.write, rw.path()) && !plan.0.write.contains(&"/home/x".into()));
        assert!(!plan.0.execute.iter().any(|path| path == Path::new("/bin/sh")));
    }
}
