//! Seccomp: which system calls this process can make.
//!
//! The host keeps all but those that have no place in it ([`DANGEROUS`]): it is a large program on a large library, and a list of
//! what it needs would break with each update of either. The compiling child does one small thing, so it has a list of what it may
//! do ([`COMPUTING`]), and everything else is refused. A refused call returns an error; nothing is killed for trying.

use std::collections::BTreeMap;

use libc::{EPERM, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::{Held, WallError};

/// What a process could leave a sandbox by, look into or change another process with, or reach rarely tested parts of the kernel
/// through: tracing, namespaces, mounts, modules, keys, `io_uring`, BPF, userfaultfd. Nothing in this program calls any of them.
const DANGEROUS: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// What compiling needs: its open descriptors, memory, threads, signals of its own, time. No file, socket or process can be opened
/// with these. `clone`, `prctl`, `prlimit64` and `tgkill` are allowed too, for some arguments: see [`allow_computing`].
const COMPUTING: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_write,
    libc::SYS_writev,
];

/// On x86-64, calls of the x32 convention pass the same check of architecture under numbers with this bit.
#[cfg(target_arch = "x86_64")]
const X32: c_long = 0x4000_0000;

/// Those of the dangerous ones that have a number of their own in the x32 convention (`arch/x86/entry/syscalls/syscall_64.tbl`):
/// `ptrace`, `kexec_load`, `process_vm_readv` and `process_vm_writev`.
#[cfg(target_arch = "x86_64")]
const X32_ONLY: &[c_long] = &[521, 528, 539, 540];

/// The namespaces that `clone` can make. `unshare`, `setns` and `clone3` are refused whole.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Refuses what is dangerous, and keeps the rest.
pub(super) fn refuse_dangerous() -> Result<Held, WallError> {
    install([dangerous(), no_clone3()])
}

/// Keeps what computing needs, and refuses the rest.
pub(super) fn allow_computing() -> Result<Held, WallError> {
    // The stricter one last: after it, nothing can be installed any more.
    install([no_clone3(), computing()])
}

fn dangerous() -> Result<BpfProgram, BackendError> {
    let mut rules: Rules = DANGEROUS.iter().map(|number| (*number, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    {
        rules.extend(DANGEROUS.iter().chain(X32_ONLY).map(|number| (number | X32, Vec::new())));
        rules.insert(libc::SYS_clone | X32, namespaces()?);
        rules.insert(libc::SYS_clone3 | X32, Vec::new());
    }
    rules.insert(libc::SYS_clone, namespaces()?);
    filter(rules, SeccompAction::Allow, SeccompAction::Errno(EPERM.unsigned_abs()))
}

fn namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    NAMESPACES.iter().map(|flag| only_if(&[(0, masked(*flag), u64::from(flag.unsigned_abs()))])).collect()
}

fn computing() -> Result<BpfProgram, BackendError> {
    let mut rules: Rules = COMPUTING.iter().map(|number| (*number, Vec::new())).collect();
    let equal = SeccompCmpOp::Eq;
    // The other filter says that it does not exist. Of two errors the later filter's would count, and a C library that is told
    // "forbidden" instead does not fall back on `clone`.
    rules.insert(libc::SYS_clone3, Vec::new());
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(libc::SYS_clone, vec![only_if(&[(0, masked(libc::CLONE_THREAD), thread)])?]);
    // Threads and memory have names; nothing else about the process may be changed, least of all that it dies with its parent.
    let names = [libc::PR_SET_NAME, libc::PR_SET_VMA];
    let names = names.iter().map(|option| only_if(&[(0, equal.clone(), u64::from(option.unsigned_abs()))]));
    rules.insert(libc::SYS_prctl, names.collect::<Result<_, _>>()?);
    // Reading its own limits.
    rules.insert(libc::SYS_prlimit64, vec![only_if(&[(0, equal.clone(), 0), (2, equal.clone(), 0)])?]);
    // Aborting.
    rules.insert(libc::SYS_tgkill, vec![only_if(&[(0, equal, u64::from(std::process::id()))])?]);
    filter(rules, SeccompAction::Errno(EPERM.unsigned_abs()), SeccompAction::Allow)
}

/// `clone3` has its flags in memory, where no filter sees them. Without it, the C library takes `clone`.
fn no_clone3() -> Result<BpfProgram, BackendError> {
    let rules = Rules::from([(libc::SYS_clone3, Vec::new())]);
    filter(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))
}

fn masked(flag: i32) -> SeccompCmpOp {
    SeccompCmpOp::MaskedEq(u64::from(flag.unsigned_abs()))
}

/// A rule for calls whose arguments (index, comparison, value) are such.
fn only_if(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let conditions = conditions.iter().map(|(index, comparison, value)| {
        // A pointer is compared whole. Everything else here is an int to the kernel, which ignores what is above it.
        let length = if *index == 2 { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
        SeccompCondition::new(*index, length, comparison.clone(), *value)
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

fn filter(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matched, TargetArch::try_from(std::env::consts::ARCH)?)?.try_into()
}

/// Installs filters for this thread and all that it starts. A kernel without seccomp is no error.
fn install(programs: [Result<BpfProgram, BackendError>; 2]) -> Result<Held, WallError> {
    let unmade = |error: BackendError| WallError::Calls { reason: error.to_string() };
    let [first, second] = programs;
    // Both are made before either is in force.
    let (first, second) = (first.map_err(unmade)?, second.map_err(unmade)?);
    if let Err(error) = seccompiler::apply_filter(&first) {
        return Ok(Held::Not { reason: format!("this kernel takes no filter: {error}") });
    }
    Ok(match seccompiler::apply_filter(&second) {
        Ok(()) => Held::Whole,
        Err(error) => Held::Partly { reason: format!("the kernel refuses the second filter: {error}") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_made_and_fit_the_kernels_limit() {
        for program in [dangerous(), computing(), no_clone3()] {
            // BPF_MAXINSNS of linux/bpf_common.h.
            assert!(program.expect("is well formed").len() <= 4_096);
        }
    }

    #[test]
    fn what_computing_needs_is_nowhere_dangerous() {
        assert!(COMPUTING.iter().all(|number| !DANGEROUS.contains(number)));
        let opens = [libc::SYS_openat, libc::SYS_openat2, libc::SYS_socket, libc::SYS_execve, libc::SYS_execveat];
        assert!(opens.iter().all(|number| !COMPUTING.contains(number)));
    }
}
