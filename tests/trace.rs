//! What the operating system sees of a call under an empty policy: from the loading of the guest's code to the process's end,
//! nothing is opened but the host's own receipts and audit log, and nobody is called.
//!
//! `strace` is the witness. Where there is none, or where it may not trace, the test says so and looks at nothing.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Says that it begins, asks for a socket, the environment and random numbers, and says that it ends. It gives how many variables it was
/// shown, whether the socket was refused, and why.
const REACHING: &str = r#"(component
  (import "toolcell:host/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (import "wasi:sockets/network@0.2.0" (instance $network
    (type $code' (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout" "concurrency-conflict"
      "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
      "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large" "name-unresolvable"
      "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type $code (eq $code')))
    (type $family' (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type $family (eq $family')))))
  (alias export $network "error-code" (type $code))
  (alias export $network "ip-address-family" (type $family))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp (export "tcp-socket" (type (sub resource)))))
  (alias export $tcp "tcp-socket" (type $socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
    (alias outer 1 $code (type $c')) (export "error-code" (type $c (eq $c')))
    (alias outer 1 $family (type $f')) (export "ip-address-family" (type $f (eq $f')))
    (alias outer 1 $socket (type $s')) (export "tcp-socket" (type $s (eq $s')))
    (export "create-tcp-socket" (func (param "address-family" $f) (result (result (own $s) (error $c)))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
  (core module $libc
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $libc (instantiate $libc))
  (core func $say (canon lower (func $log "write") (memory $libc "memory")))
  (core func $create (canon lower (func $create "create-tcp-socket") (memory $libc "memory")))
  (core func $environment (canon lower (func $environment "get-environment") (memory $libc "memory") (realloc (func $libc "realloc"))))
  (core func $random (canon lower (func $random "get-random-u64")))
  (core module $m
    (import "h" "memory" (memory 1))
    (import "h" "say" (func $say (param i32 i32 i32)))
    (import "h" "create" (func $create (param i32 i32)))
    (import "h" "environment" (func $environment (param i32)))
    (import "h" "random" (func $random (result i64)))
    (data (i32.const 64) "the guest begins")
    (data (i32.const 96) "the guest ends")
    (func (export "reach") (result i32)
      (call $say (i32.const 1) (i32.const 64) (i32.const 16))
      (call $create (i32.const 0) (i32.const 1024))
      (call $environment (i32.const 1040))
      (drop (call $random))
      (call $say (i32.const 1) (i32.const 96) (i32.const 14))
      ;; How many variables it has been shown, in hundreds; then how the socket went, and the error.
      (i32.add
        (i32.mul (i32.load (i32.const 1044)) (i32.const 100))
        (i32.add (i32.mul (i32.load8_u (i32.const 1024)) (i32.const 10)) (i32.load8_u (i32.const 1028))))))
  (core instance $i (instantiate $m (with "h" (instance
    (export "memory" (memory $libc "memory")) (export "say" (func $say)) (export "create" (func $create))
    (export "environment" (func $environment)) (export "random" (func $random))))))
  (func (export "reach") (result u32) (canon lift (core func $i "reach"))))"#;

/// The calls that let anything in or out: files, networks, programs, and what makes a way to them.
const WATCHED: &str = "trace=%file,%network,%process,write,io_uring_setup,ptrace,memfd_create,pidfd_getfd";

fn run(home: &Path, through: Option<&Path>) -> Output {
    let binary = env!("CARGO_BIN_EXE_toolcell");
    let mut command = match through {
        None => Command::new(binary),
        Some(log) => {
            let mut command = Command::new("strace");
            command.args(["-f", "-y", "-s", "256", "-e", WATCHED, "-o"]).arg(log).arg(binary);
            command
        }
    };
    command.args(["run", "reaching.reach"]).env("TOOLCELL_HOME", home).env("TOOLCELL_LOG", "info").stdin(Stdio::null());
    command.output().unwrap()
}

fn can_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-e", "trace=none", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

#[test]
fn under_an_empty_policy_a_guest_opens_nothing_and_calls_nobody() {
    if !can_trace() {
        eprintln!("SKIPPED: there is no `strace` here that may trace; nothing was looked at");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("tools")).unwrap();
    fs::write(home.path().join("tools/reaching.wasm"), wat::parse_str(REACHING).unwrap()).unwrap();
    // The first run compiles and keeps the code, so that the second one is the call and nothing else.
    assert!(run(home.path(), None).status.success(), "{:?}", run(home.path(), None));
    let log = home.path().join("trace");
    let output = run(home.path(), Some(&log));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    // No variable, no socket: `access-denied` is the second of the errors.
    assert_eq!(out.trim(), "11", "{err}");
    let trace = fs::read_to_string(&log).unwrap();
    let lines: Vec<&str> = trace.lines().collect();
    // Opening its compiled code is the last that the host does before it runs a guest.
    let begins =
        lines.iter().rposition(|line| line.contains(".code\"")).expect("the code is kept, and loaded from there");
    let (before, during) = lines.split_at(begins + 1);
    assert!(before.iter().any(|line| line.contains("reaching.wasm")), "the witness has not seen what surely happened");
    assert!(during.iter().any(|line| line.contains("the guest ends")), "the guest has not run after that");
    let kept = ["receipts", "audit"].map(|folder| home.path().join(folder).to_str().unwrap().to_owned());
    let seen: Vec<Seen> = during.iter().filter_map(|line| Seen::read(line)).collect();
    assert!(seen.len() >= 5, "{during:#?}");
    for call in &seen {
        assert!(call.is_the_hosts_own(&kept), "the call did this: {call:?}\n{during:#?}");
    }
    eprintln!("{} system calls between the guest's code and the end, none of them for the guest", seen.len());
}

/// A system call, as far as the witness tells.
#[derive(Debug)]
struct Seen<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Seen<'a> {
    /// Reads a line; none where it tells of no new call: a signal, an end, the second half of a call.
    fn read(line: &'a str) -> Option<Self> {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let (name, arguments) = line.split_once('(')?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then_some(Self { name, arguments })
    }

    /// What the descriptor in the first place leads to: `4</path>` or `13<anon_inode:[eventfd]>`.
    fn leads_to(&self) -> &'a str {
        let first = self.arguments.split([',', ')']).next().unwrap_or_default();
        first.split_once('<').map_or("", |(_, place)| place.trim_end_matches('>'))
    }

    /// The first text among the arguments, which is a path where the call takes one.
    fn path(&self) -> &'a str {
        self.arguments.split('"').nth(1).unwrap_or_default()
    }

    /// Whether the host would do this for any call, even one that asks for nothing.
    fn is_the_hosts_own(&self, kept: &[String]) -> bool {
        let below = |path: &str, folder: &String| {
            path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let within = |path: &str| !path.contains("..") && kept.iter().any(|folder| below(path, folder));
        let said = self.arguments.starts_with("1<") || self.arguments.starts_with("2<");
        match self.name {
            "exit" | "exit_group" => true,
            // What it says to the caller and the operator, what it seals, and one thread waking another.
            "write" => said || within(self.leads_to()) || self.leads_to() == "anon_inode:[eventfd]",
            // A thread of the same process, which is no way out of it.
            "clone" | "clone3" => self.arguments.contains("CLONE_THREAD"),
            "open" | "openat" | "stat" | "lstat" | "statx" | "newfstatat" => match self.path() {
                // About what is open already.
                "" => self.arguments.contains("AT_EMPTY_PATH"),
                path => within(path),
            },
            // The log's head is replaced whole.
            "rename" => self.arguments.split('"').skip(1).step_by(2).take(2).all(within),
            // The time at which cached code was last used.
            "utimensat" => self.leads_to().contains("/code/"),
            _ => false,
        }
    }
}

#[test]
fn what_would_be_a_way_out_is_not_taken_for_the_hosts_own() {
    for line in [
        r#"7  openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY) = 3"#,
        r#"7  openat(AT_FDCWD</home>, "passwd", O_RDONLY) = 3"#,
        r#"7  openat(AT_FDCWD</>, "/home/receipts-not/x", O_RDONLY) = 3"#,
        r#"7  openat(AT_FDCWD</>, "", O_RDONLY) = -1 ENOENT"#,
        r"7  connect(5<socket:[1]>, {sa_family=AF_INET}, 16 <unfinished ...>",
        r"7  socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5",
        r#"7  execve("/bin/sh", ["sh"], 0x0) = 0"#,
        r"7  clone(child_stack=NULL, flags=SIGCHLD) = 8",
        r#"7  write(5</etc/passwd>, "x", 1) = 1"#,
        r#"7  write(5<socket:[1]>, "x", 1) = 1"#,
        r#"7  openat(AT_FDCWD</>, "/home/receipts/../x", O_RDONLY) = 3"#,
        r#"7  rename("/home/receipts/x", "/home/tools/x") = 0"#,
        r#"7  rename("/home/tools/x", "/home/receipts/x") = 0"#,
        r#"7  unlink("/home/receipts/x") = 0"#,
        r#"7  memfd_create("x", MFD_CLOEXEC) = 5"#,
    ] {
        assert!(Seen::read(line).is_some_and(|call| !call.is_the_hosts_own(&["/home/receipts".to_owned()])), "{line}");
    }
    for line in ["7  +++ exited with 0 +++", "7  --- SIGCHLD {si_signo=SIGCHLD} ---", "7  <... write resumed>) = 8"] {
        assert!(Seen::read(line).is_none(), "{line}");
    }
}
