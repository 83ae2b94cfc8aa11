//! The second wall, as the commands raise it that run guests: which folders they need, and when.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use toolcell_core::manifest::Access;
use toolcell_host::policy::SecretStore;
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

    /// What a policy mounts, and the files of its secrets, which are read again when they change.
    pub(crate) fn policy(mut self, policy: &Policy) -> Self {
        for rule in policy.rules() {
            for allow in &rule.allow {
                if let Allow::Mount(folder) = allow {
                    self = self.mount(&folder.host, folder.mount.access);
                }
            }
        }
        for store in policy.secret_stores() {
            match store {
                SecretStore::Environment(_) => {}
                SecretStore::File(path) => self = self.read(path),
                SecretStore::Age { file, identity } => self = self.read(file).read(identity),
            }
        }
        self
    }

    /// A folder of the host that is mounted.
    pub(crate) fn mount(mut self, path: &Path, access: Access) -> Self {
        match access {
            Access::ReadOnly => self.0.read.push(path.to_owned()),
            Access::ReadWrite => self.0.write.push(path.to_owned()),
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
    use super::*;

    #[test]
    fn what_this_process_is_made_of_can_be_executed() {
        let this = std::env::current_exe().expect("a program");
        assert!(mapped().contains(&this));
    }

    #[test]
    fn a_read_only_mount_is_not_written_to() {
        let plan = Plan::over(&Paths::within(Path::new("/home/x")));
        let plan = plan.mount(Path::new("/ro"), Access::ReadOnly).mount(Path::new("/rw"), Access::ReadWrite);
        assert!(plan.0.read.contains(&"/ro".into()) && !plan.0.write.contains(&"/ro".into()));
        assert!(plan.0.write.contains(&"/rw".into()) && !plan.0.write.contains(&"/home/x".into()));
        assert!(!plan.0.execute.iter().any(|path| path == Path::new("/bin/sh")));
    }
}
