//! Landlock: which files this process can open, whether it can listen, and whom it can signal.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, PathFdError, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags,
};

use super::{Held, Wall, WallError};

/// The version of Landlock that has everything that is asked for here: files up to devices (version 5), TCP (4), and signals and abstract
/// sockets (6, Linux 6.12). An older kernel gives what it has.
const COMPLETE: ABI = ABI::V6;

/// What is left of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sockets {
    /// Connecting, but not listening.
    Connect,
    /// Nothing.
    None,
}

/// Restricts this thread and all that it starts. Answers with the kernel's version and with how much of it is in force.
pub(super) fn restrict(wall: &Wall, sockets: Sockets) -> Result<(Option<u32>, Held), WallError> {
    let refused = |error: RulesetError| WallError::Files { reason: error.to_string() };
    let net = match sockets {
        Sockets::Connect => AccessNet::BindTcp.into(),
        Sockets::None => AccessNet::from_all(COMPLETE),
    };
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(COMPLETE))
        .and_then(|ruleset| ruleset.handle_access(net))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(COMPLETE)))
        .and_then(Ruleset::create);
    let mut ruleset = ruleset.map_err(refused)?;
    for path in &wall.read {
        ruleset = allow(ruleset, path, make_bitflags!(AccessFs::{ReadFile | ReadDir})).or_else(missing)?;
    }
    for path in &wall.execute {
        ruleset = allow(ruleset, path, make_bitflags!(AccessFs::{ReadFile | Execute})).or_else(missing)?;
    }
    for path in &wall.write {
        ruleset = allow(ruleset, path, writing()).map_err(|(error, _)| error)?;
    }
    let status = ruleset.restrict_self().map_err(refused)?;
    let version = match status.landlock {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            Some(kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(effective_abi as u32))
        }
        _ => None,
    };
    let held = match (status.ruleset, status.landlock) {
        (RulesetStatus::FullyEnforced, _) => Held::Whole,
        (RulesetStatus::PartiallyEnforced, _) => {
            Held::Partly { reason: "this kernel's Landlock is older than version 6 (Linux 6.12)".to_owned() }
        }
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => Held::Not {
            reason: "Landlock is switched off in this kernel; add it to the `lsm=` of its command line".to_owned(),
        },
        (RulesetStatus::NotEnforced, _) => Held::Not { reason: "this kernel has no Landlock (Linux 5.13)".to_owned() },
    };
    Ok((version, held))
}

/// Everything that a folder may be written with, but for devices, pipes and sockets, which nothing here makes, and for executing.
fn writing() -> BitFlags<AccessFs> {
    let never = make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | MakeFifo | MakeSock | IoctlDev});
    AccessFs::from_all(COMPLETE) & !never
}

/// The ruleset as it was, where only the path could not be opened.
type Refused = (WallError, Option<RulesetCreated>);

fn missing((error, ruleset): Refused) -> Result<RulesetCreated, WallError> {
    ruleset.ok_or(error)
}

fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, Refused> {
    let opened = PathFd::new(path).map_err(|error| match error {
        PathFdError::OpenCall { source, .. } => source,
        other => std::io::Error::other(other.to_string()),
    });
    let fd = match opened {
        Ok(fd) => fd,
        Err(source) => return Err((WallError::Folder { path: path.to_owned(), source }, Some(ruleset))),
    };
    // The kernel refuses a rule about a file that speaks of what only a folder can have.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(COMPLETE) };
    let rule = PathBeneath::new(fd, access);
    ruleset.add_rule(rule).map_err(|error| (WallError::Files { reason: error.to_string() }, None))
}
