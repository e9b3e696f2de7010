//! A window over a byte stream that can't seek: look ahead as far as needed, then move on. What the two container
//! readers need to check an element before they believe it, in bounded memory.

use std::io::{self, Read};

/// Bytes asked of the source at a time.
const STEP: usize = 32 * 1024;

/// Buffered look-ahead over `source`.
#[derive(Debug)]
pub struct ByteWindow<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl<R: Read> ByteWindow<R> {
    /// A window at the start of `source`; reads nothing yet.
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), start: 0, end: 0, ended: false }
    }

    /// The bytes from here on: at least `wanted` unless the source ends before. Grows to `wanted` plus one step at most.
    pub fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end - self.start < wanted && !self.ended {
            self.refill(wanted)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn refill(&mut self, wanted: usize) -> io::Result<()> {
        if self.start > 0 && self.buffer.len() - self.start < wanted.max(STEP) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end + STEP / 2 > self.buffer.len() {
            self.buffer.resize(self.end + STEP, 0);
        }
        match self.source.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.ended = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Moves on by `bytes`, no further than what was last looked at.
    pub fn advance(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// The source, wherever it stands.
    pub fn into_source(self) -> R {
        self.source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, as a slow network may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let wanted = buffer.len().min(1);
            self.0.read(&mut buffer[..wanted])
        }
    }

    #[test]
    fn looking_ahead_keeps_the_bytes_and_moving_on_drops_them() {
        let bytes: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
        let mut window = ByteWindow::new(Trickle(&bytes));
        let mut at = 0;
        for wanted in [1, 5, 90_000, 3, 0, 50_000, 59_991, 10_000] {
            let seen = window.peek(wanted).unwrap();
            assert!(seen.len() >= wanted.min(bytes.len() - at));
            assert_eq!(seen, &bytes[at..at + seen.len()]);
            window.advance(wanted);
            at = (at + wanted).min(bytes.len());
        }
        assert!(window.buffer.len() < 200_000);
    }
}
