//! Gives back what it got.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

wit_bindgen::generate!({
    path: ["../../../wit/tool", "../../../wit/host", "wit"],
    world: "toolcell:echo/echo",
    generate_all,
});

use toolcell::host::{config, log, progress};

struct Echo;
export!(Echo);

impl Guest for Echo {
    fn text(value: String) -> String {
        value
    }

    fn bytes(value: Vec<u8>) -> Vec<u8> {
        value
    }

    fn chatter(lines: u32) -> u32 {
        for line in 0..lines {
            log::write(log::Level::Info, &format!("line {line}"));
            progress::report(u64::from(line) + 1, Some(u64::from(lines)), Some("chatting"));
            println!("out {line}");
            eprintln!("err {line}");
        }
        lines
    }

    fn setting(key: String) -> Option<String> {
        config::get(&key)
    }

    fn times() -> (u64, u64) {
        let began = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (wall.as_millis() as u64, began.elapsed().as_millis() as u64)
    }

    fn nap(millis: u64) {
        std::thread::sleep(Duration::from_millis(millis));
    }

    fn work(millions: u32) -> u64 {
        let mut n = 1_u64;
        for step in 0..u64::from(millions) * 1_000_000 {
            n = black_box(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step));
        }
        n
    }
}
