//! What a guest says, and what anybody sees of it.

use toolcell_core::{Event, Limit};
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{stderr::Host as _, stdin::Host as _, stdout::Host as _};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamError, StreamResult};
use wasmtime_wasi_io::bindings::wasi::io::streams::{HostInputStream as _, HostOutputStream};

use super::super::CallState;
use super::super::log::MAX_LINE;
use super::super::offers::log::{self, Level};
use super::super::offers::progress::Host as _;
use super::{Heard, call, door, limit_of, wait};

fn print(state: &mut CallState, stream: u32, text: &[u8]) -> StreamResult<()> {
    HostOutputStream::write(&mut door(state), Resource::<DynOutputStream>::new_borrow(stream), text.to_vec())
}

#[test]
fn the_standard_streams_become_lines_each_on_its_own() {
    let heard = Heard::default();
    let mut state = heard.call(&[]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    let err = door(&mut state).get_stderr().expect("a stream").rep();
    for (stream, text) in [(out, "one\r\ntw"), (err, "war"), (out, "o\n\nthree"), (err, "ning\n")] {
        print(&mut state, stream, text.as_bytes()).expect("within the budget");
    }
    assert_eq!(heard.lines(), ["Info one", "Info two", "Info ", "Warn warning"]);
    state.finish();
    state.finish();
    assert_eq!(heard.lines().last().expect("the last line"), "Info three");
    assert_eq!(heard.lines().len(), 5);
    assert_eq!((state.used().log_lines, state.used().log_bytes), (5, 23));
}

#[test]
fn what_a_line_could_do_is_escaped() {
    let heard = Heard::default();
    let mut state = heard.call(&[]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    print(&mut state, out, b"\x1b[31mred \xff\xfe\n").expect("within the budget");
    print(&mut state, out, "\u{202e}evil\u{200b}\n".as_bytes()).expect("within the budget");
    log::Host::write(&mut door(&mut state), Level::Error, "a\nERROR forged \u{1b}]52;c;x\u{7}".to_owned())
        .expect("within the budget");
    assert_eq!(
        heard.lines(),
        [
            "Info \\u{1b}[31mred \u{fffd}\u{fffd}",
            "Info \\u{202e}evil\\u{200b}",
            "Error a\\nERROR forged \\u{1b}]52;c;x\\u{7}",
        ]
    );
}

#[test]
fn a_long_line_is_cut_and_costs_all_of_its_bytes() {
    let heard = Heard::default();
    let mut state = heard.call(&[]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    for _ in 0..10 {
        print(&mut state, out, &[b'x'; 10_000]).expect("within the budget");
    }
    print(&mut state, out, b"\n").expect("within the budget");
    let line = heard.lines().remove(0);
    assert!(line.len() <= MAX_LINE + 5 && line.ends_with('…'), "{}", line.len());
    assert_eq!(state.used().log_bytes, 100_001);
    let exact = "y".repeat(MAX_LINE);
    print(&mut state, out, format!("{exact}\n").as_bytes()).expect("within the budget");
    assert_eq!(heard.lines()[1], format!("Info {exact}"));
}

#[test]
fn floods_end_at_their_limits_and_show_what_fitted() {
    let heard = Heard::default();
    let mut state = heard.call(&[(Limit::LogLines, 10), (Limit::LogBytes, 1_000)]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    let Err(StreamError::Trap(error)) = print(&mut state, out, &b"\n".repeat(100)) else { panic!("over the limit") };
    assert_eq!(limit_of(&error), Some(Limit::LogLines));
    assert_eq!((heard.lines().len(), state.exhausted()), (10, Some(Limit::LogLines)));

    let mut state = call(&[(Limit::LogBytes, 1_000)]);
    let error = log::Host::write(&mut door(&mut state), Level::Debug, "x".repeat(1_001)).expect_err("over the limit");
    assert_eq!(limit_of(&error), Some(Limit::LogBytes));
    // The interface and the streams share one budget.
    let mut state = call(&[(Limit::LogBytes, 1_000)]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    log::Host::write(&mut door(&mut state), Level::Debug, "x".repeat(600)).expect("within the limit");
    assert!(matches!(print(&mut state, out, &[b'x'; 401]), Err(StreamError::Trap(_))));
    print(&mut state, out, &[b'x'; 400]).expect("exactly the limit");
}

#[test]
fn empty_writes_and_zeroes_are_counted_too() {
    let mut state = call(&[(Limit::LogLines, 5)]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    for _ in 0..5 {
        print(&mut state, out, b"").expect("within the limit");
    }
    assert!(matches!(print(&mut state, out, b""), Err(StreamError::Trap(_))));
    let mut state = call(&[]);
    let out = door(&mut state).get_stdout().expect("a stream").rep();
    let stream = || Resource::<DynOutputStream>::new_borrow(out);
    assert!(matches!(door(&mut state).write_zeroes(stream(), u64::MAX), Err(StreamError::Trap(_))));
    door(&mut state).write_zeroes(stream(), 100).expect("as many as are permitted");
    assert_eq!(state.used().log_bytes, 100);
}

#[test]
fn input_is_closed() {
    let mut state = call(&[]);
    let input = door(&mut state).get_stdin().expect("a stream").rep();
    let read = wait(door(&mut state).blocking_read(Resource::<DynInputStream>::new_borrow(input), 100));
    assert!(matches!(read, Err(StreamError::Closed)));
}

#[test]
fn progress_is_told_with_a_note_that_is_cut() {
    let heard = Heard::default();
    let mut state = heard.call(&[]);
    door(&mut state).report(1, Some(3), Some(format!("\u{1b}{}", "n".repeat(1_000)))).expect("told");
    door(&mut state).report(2, None, None).expect("told");
    let events = heard.0.lock().expect("no panics");
    let Event::Progress { done: 1, total: Some(3), note: Some(note) } = &events[0] else { panic!("{events:?}") };
    assert!(note.len() <= 256 && note.starts_with("\\u{1b}nnn"));
    assert_eq!(events[1], Event::Progress { done: 2, total: None, note: None });
    drop(events);
    call(&[]).finish();
    door(&mut call(&[])).report(1, None, None).expect("nobody listens");
}
