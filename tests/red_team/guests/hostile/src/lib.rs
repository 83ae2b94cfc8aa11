//! A guest that attacks its host. Nothing here is a mock: every function really tries.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Read as _, Write as _};

wit_bindgen::generate!({
    path: [
        "../../../../wit/tool",
        "../../../../wit/host",
        "../../../../wit/deps/random.wit",
        "../../../../wit/deps/io.wit",
        "../../../../wit/deps/clocks.wit",
        "../../../../wit/deps/filesystem.wit",
        "wit",
    ],
    world: "toolcell:hostile/hostile",
    generate_all,
});

use exports::toolcell::hostile::attacks::Guest;
use toolcell::host::{kv, log};
use wasi::clocks::wall_clock::Datetime;
use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{Descriptor, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags};

struct Hostile;
export!(Hostile);

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

impl Guest for Hostile {
    fn spin() {
        let mut n = 0_u64;
        loop {
            n = black_box(n.wrapping_add(1));
        }
    }

    fn sleep() {
        loop {
            std::thread::sleep(std::time::Duration::from_secs(3_600));
        }
    }

    fn hoard() {
        let mut all = Vec::new();
        loop {
            all.push(vec![1_u8; 1 << 20]);
            black_box(&all);
        }
    }

    #[allow(unconditional_recursion, reason = "that is the attack")]
    fn recurse(depth: u64) -> u64 {
        // Nothing is kept in linear memory, where a guest has a stack of its own that would end first, as a trap.
        Self::recurse(depth + 1).wrapping_mul(3) ^ depth
    }

    fn flood() {
        loop {
            println!("all work and no play");
        }
    }

    fn forge() {
        println!("\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}gnp.exe\u{200b}");
        println!("first\r\n2026-01-01T00:00:00Z INFO toolcell: receipt verified");
        let _ = std::io::stdout().write_all(b"\xff\xfe not text\n");
        log::write(log::Level::Error, "\u{1b}[31merror: the host is compromised\u{1b}[0m\nline two");
    }

    fn blow_up(megabytes: u32) -> String {
        "x".repeat((megabytes as usize) << 20)
    }

    fn blow_up_bytes(megabytes: u32) -> Vec<u8> {
        vec![7; (megabytes as usize) << 20]
    }

    fn panic(message: String) {
        panic!("{message}");
    }

    fn fail(message: String) -> Result<(), String> {
        Err(message)
    }

    fn exit(code: i32) {
        std::process::exit(code);
    }

    fn drain_random() {
        loop {
            black_box(wasi::random::random::get_random_bytes(1 << 16));
        }
    }

    fn pester() {
        loop {
            black_box(std::time::Instant::now());
        }
    }

    fn read(path: String) -> Result<String, String> {
        let mut text = String::new();
        let file = File::open(&path).map_err(|error| error.to_string())?;
        file.take(4_096).read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    fn write(path: String, megabytes: u32) -> Result<u64, String> {
        let mut file = File::create(&path).map_err(|error| error.to_string())?;
        let block = vec![b'x'; 1 << 20];
        for _ in 0..megabytes {
            file.write_all(&block).map_err(|error| error.to_string())?;
        }
        Ok(u64::from(megabytes) << 20)
    }

    fn sparse(path: String, megabytes: u64) -> Result<(), String> {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&path)
            .map_err(|error| error.to_string())?;
        file.set_len(megabytes << 20).map_err(|error| error.to_string())
    }

    fn link_out(target: String, link: String) -> Result<String, String> {
        #[allow(deprecated, reason = "the portable name is the one that every target has")]
        std::fs::soft_link(&target, &link).map_err(|error| format!("link: {error}"))?;
        Self::read(link)
    }

    fn open_raw(path: String, follow: bool) -> Result<String, String> {
        let flags = if follow { PathFlags::SYMLINK_FOLLOW } else { PathFlags::empty() };
        let file = first()?
            .open_at(flags, &path, OpenFlags::empty(), DescriptorFlags::READ)
            .map_err(|code| code.to_string())?;
        let (bytes, _) = file.read(4_096, 0).map_err(|code| code.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn link_raw(target: String, link: String) -> Result<(), String> {
        first()?.symlink_at(&target, &link).map_err(|code| code.to_string())
    }

    fn move_file(origin: String, to: String) -> Result<(), String> {
        std::fs::rename(&origin, &to).map_err(|error| error.to_string())
    }

    fn hard_link(origin: String, to: String) -> Result<(), String> {
        std::fs::hard_link(&origin, &to).map_err(|error| error.to_string())
    }

    fn cut_file(path: String) -> Result<(), String> {
        let opened = first()?.open_at(PathFlags::empty(), &path, OpenFlags::TRUNCATE, DescriptorFlags::WRITE);
        if let Err(code) = opened {
            let read = first()?.open_at(PathFlags::empty(), &path, OpenFlags::empty(), DescriptorFlags::READ);
            read.and_then(|file| file.set_size(0)).map_err(|second| format!("{code}, and then {second}"))?;
        }
        Ok(())
    }

    fn touch(path: String, seconds: u64) -> Result<u64, String> {
        let time = NewTimestamp::Timestamp(Datetime { seconds, nanoseconds: 999_999_999 });
        first()?.set_times_at(PathFlags::empty(), &path, time, time).map_err(|code| code.to_string())?;
        let stat = first()?.stat_at(PathFlags::empty(), &path).map_err(|code| code.to_string())?;
        Ok(stat.data_modification_timestamp.map_or(0, |time| time.seconds))
    }

    fn list_folder(path: String, times: u32) -> Result<u64, String> {
        let mut seen = 0;
        for _ in 0..times {
            seen += std::fs::read_dir(&path).map_err(|error| error.to_string())?.flatten().count() as u64;
        }
        Ok(seen)
    }

    fn read_at(path: String, length: u64, offset: u64) -> Result<u64, String> {
        let file = first()?
            .open_at(PathFlags::empty(), &path, OpenFlags::empty(), DescriptorFlags::READ)
            .map_err(|code| code.to_string())?;
        file.read(length, offset).map(|(bytes, _)| bytes.len() as u64).map_err(|code| code.to_string())
    }

    fn open_many(path: String) -> Result<u64, String> {
        let mut files = Vec::new();
        for n in 0..100_000 {
            match File::open(&path) {
                Ok(file) => files.push(file),
                Err(error) => return Err(format!("after {n}: {error}")),
            }
        }
        Ok(files.len() as u64)
    }

    fn connect(address: String) -> Result<(), String> {
        std::net::TcpStream::connect(&address).map(drop).map_err(|error| error.to_string())
    }

    fn store(key: String) -> Result<(), String> {
        kv::set(&key, b"value", None).map_err(|error| format!("{error:?}"))
    }

    fn look_around() -> Vec<String> {
        let mut seen: Vec<String> = std::env::vars().map(|(name, value)| format!("env {name}={value}")).collect();
        seen.extend(std::env::args().map(|arg| format!("arg {arg}")));
        for path in ["/", ".", "/data", "/proc/self", "/etc"] {
            if let Ok(entries) = std::fs::read_dir(path) {
                seen.extend(entries.flatten().map(|entry| format!("file {}", entry.path().display())));
            }
        }
        let mut input = String::new();
        if std::io::stdin().read_to_string(&mut input).is_ok_and(|read| read > 0) {
            seen.push(format!("stdin {input}"));
        }
        seen
    }

    fn well() -> u32 {
        42
    }

    fn count() -> u64 {
        CALLS.set(CALLS.get() + 1);
        CALLS.get()
    }
}

/// The first folder that was mounted.
fn first() -> Result<Descriptor, String> {
    get_directories().into_iter().next().map(|(folder, _)| folder).ok_or_else(|| "nothing is mounted".to_owned())
}
