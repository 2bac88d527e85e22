//! The way of log lines to their writer: a bounded queue, written by a thread of its own. Whoever logs never waits, and nothing here
//! panics: a line that finds no room, or that cannot be written, is dropped and counted.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics;

/// Bytes of lines that may wait.
const BYTES_MAX: usize = 1 << 20;
/// Until a writer that takes nothing now, and cannot be waited for, is asked again.
const RETRY: Duration = Duration::from_millis(10);

/// Lines on their way.
pub(super) struct Queue {
    state: Mutex<State>,
    /// A line has come.
    filled: Condvar,
    /// No line is left.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether the thread has a line that it has not written yet.
    is_writing: bool,
    /// Lines dropped so far.
    dropped: u64,
}

impl Queue {
    pub const fn new() -> Self {
        let state = State { lines: VecDeque::new(), bytes: 0, is_writing: false, dropped: 0 };
        Self { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a whole line, or drops it.
    fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.bytes + line.len() > BYTES_MAX {
            return state.drop_line();
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        self.filled.notify_one();
    }

    /// Waits until everything is written, at most for `patience`.
    pub fn flush(&self, patience: Duration) {
        let state = self.state();
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        // Who must end now does so with or without the last lines.
        let _ = self.emptied.wait_timeout_while(state, patience, is_busy);
    }

    /// Writes to `out` for ever. `tell` is told how many lines were dropped since it was told last, once writing works again.
    pub fn drain(&self, mut out: impl Write, tell: impl Fn(u64)) -> ! {
        let mut is_line_broken = false;
        let mut told = 0;
        loop {
            let line = self.next();
            let written = write_line(&mut out, &line, is_line_broken);
            is_line_broken = written == Written::Partly || (is_line_broken && written == Written::Nothing);
            let dropped = {
                let mut state = self.state();
                if written != Written::Wholly {
                    state.drop_line();
                }
                state.dropped
            };
            if written == Written::Wholly && dropped > told {
                tell(dropped - told);
                told = dropped;
            }
        }
    }

    /// The next line. Who asks has done with the one before.
    fn next(&self) -> Vec<u8> {
        let mut state = self.state();
        state.is_writing = false;
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            self.emptied.notify_all();
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn drop_line(&mut self) {
        self.dropped += 1;
        metrics::LOG_LINES_DROPPED.inc();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Wholly,
    Partly,
    Nothing,
}

/// Writes a line, on a line of its own if the one before it broke off.
fn write_line(out: &mut impl Write, line: &[u8], is_line_broken: bool) -> Written {
    if is_line_broken && !write(out, b"\n", &mut 0) {
        return Written::Nothing;
    }
    let mut count = 0;
    match write(out, line, &mut count) {
        true => Written::Wholly,
        false if count > 0 => Written::Partly,
        false => Written::Nothing,
    }
}

/// Whether all of `bytes` were written; `count` says how many.
fn write(out: &mut impl Write, bytes: &[u8], count: &mut usize) -> bool {
    while *count < bytes.len() {
        match out.write(&bytes[*count..]) {
            Ok(0) => return false,
            Ok(more) => *count += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(RETRY),
            Err(_) => return false,
        }
    }
    true
}

/// The end of the queue that `tracing` writes to: one call a line.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// What the device does with each write, in turn; then all is well.
    struct Device {
        answers: mpsc::Receiver<io::Result<usize>>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Device {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.answers.try_recv().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            self.written.send(bytes[..count].to_vec()).unwrap();
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What stands on a device that answers so, after these lines and all that is told.
    fn written(answers: Vec<io::Result<usize>>, lines: &[&str]) -> String {
        let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
        let (sender, receiver) = mpsc::channel();
        answers.into_iter().for_each(|answer| sender.send(answer).unwrap());
        let (out, seen) = mpsc::channel();
        lines.iter().chain(&["last\n"]).for_each(|line| queue.push(line.as_bytes()));
        let device = Device { answers: receiver, written: out };
        std::thread::spawn(move || queue.drain(device, |count| queue.push(format!("{count} dropped\n").as_bytes())));
        let mut text = String::new();
        while !text.ends_with("last\n") {
            text.push_str(std::str::from_utf8(&seen.recv_timeout(Duration::from_secs(60)).unwrap()).unwrap());
        }
        queue.flush(Duration::from_secs(60));
        seen.try_iter().for_each(|bytes| text.push_str(std::str::from_utf8(&bytes).unwrap()));
        text
    }

    fn full() -> io::Result<usize> {
        Err(ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_line_that_cannot_be_written_is_dropped_and_told_once_writing_works_again() {
        assert_eq!(written(vec![], &["a\n"]), "a\nlast\n");
        assert_eq!(written(vec![full(), full()], &["a\n", "b\n", "c\n"]), "c\nlast\n2 dropped\n");
        assert_eq!(written(vec![Err(ErrorKind::BrokenPipe.into())], &["a\n"]), "last\n1 dropped\n");
        assert_eq!(written(vec![Ok(0)], &["a\n"]), "last\n1 dropped\n");
    }

    #[test]
    fn a_line_that_broke_off_does_not_run_into_the_next() {
        assert_eq!(written(vec![Ok(2), full()], &["abcd\n", "e\n"]), "ab\ne\nlast\n1 dropped\n");
        assert_eq!(written(vec![Ok(2), full(), full(), full()], &["abcd\n", "e\n", "f\n"]), "ab\nlast\n3 dropped\n");
    }

    #[test]
    fn a_device_that_takes_little_or_nothing_now_gets_the_whole_line() {
        let answers = vec![Ok(1), Err(ErrorKind::WouldBlock.into()), Err(ErrorKind::Interrupted.into()), Ok(1)];
        assert_eq!(written(answers, &["abcd\n"]), "abcd\nlast\n");
    }

    #[test]
    fn what_waits_is_bounded_and_nobody_waits_for_it() {
        let queue = Queue::new();
        let line = vec![b'x'; 1000];
        for _ in 0..3 * BYTES_MAX / line.len() {
            queue.push(&line);
        }
        let state = queue.state();
        assert!(state.bytes <= BYTES_MAX && state.bytes > BYTES_MAX - line.len());
        assert_eq!(state.dropped as usize, 3 * BYTES_MAX / line.len() - state.lines.len());
        drop(state);
        queue.flush(Duration::from_millis(1));
    }
}
