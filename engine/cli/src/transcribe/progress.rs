//! The line on a terminal that says how far the work is.

use crate::text::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The unit in which parts of a file are counted: a millionth.
const PARTS: f64 = 1e6;

/// Counts the work of all threads.
#[derive(Debug)]
pub struct Meter {
    /// Audio that went into the engine, in microseconds.
    audio_us: AtomicU64,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    bytes: u64,
    /// How much of it has been read, in millionths.
    parts: AtomicU64,
}

impl Meter {
    /// Nothing has been done of `files` yet.
    pub fn new(files: &[PathBuf]) -> Self {
        let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let files = files.iter().map(|path| File { bytes: bytes(path), parts: AtomicU64::new(0) });
        Meter { audio_us: AtomicU64::new(0), files: files.collect() }
    }

    /// Counts seconds of audio.
    pub fn add(&self, seconds: f64) {
        self.audio_us.fetch_add((seconds * 1e6) as u64, Ordering::Relaxed);
    }

    /// Says how much of a file has been read, 0 to 1.
    pub fn set(&self, file: usize, fraction: f64) {
        self.files[file].parts.store((fraction * PARTS) as u64, Ordering::Relaxed);
    }

    fn audio(&self) -> Duration {
        Duration::from_micros(self.audio_us.load(Ordering::Relaxed))
    }

    /// How much of the bytes of all files has been read, 0 to 1.
    fn fraction(&self) -> f64 {
        let read = |file: &File| file.bytes as f64 * file.parts.load(Ordering::Relaxed) as f64 / PARTS;
        let bytes: u64 = self.files.iter().map(|file| file.bytes).sum();
        self.files.iter().map(read).sum::<f64>() / (bytes as f64).max(1.0)
    }
}

/// The line, drawn on standard error if that is a terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// Nothing is drawn yet.
    pub fn new() -> Self {
        // The template is a constant: if it did not parse, the default style would do as well.
        let style =
            ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        Progress { bar, begun: Instant::now() }
    }

    /// Draws the line anew; `file` is the first that is not done.
    pub fn draw(&self, meter: &Meter, file: usize, path: &Path) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_message(line(meter, self.begun.elapsed(), file, path));
    }

    /// Writes something else: the line is cleared before and drawn again behind it.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What matters most comes first: the line is cut where the terminal ends.
fn line(meter: &Meter, elapsed: Duration, file: usize, path: &Path) -> String {
    let audio = meter.audio();
    let mut line = format!("{} done", clock(audio));
    if elapsed >= Duration::from_secs(1) {
        line += &format!(", {:.0}x real time", audio.as_secs_f64() / elapsed.as_secs_f64());
    }
    let fraction = meter.fraction();
    if fraction > 0.01 {
        let left = elapsed.mul_f64((1.0 - fraction).max(0.0) / fraction);
        line += &format!(", {} left", clock(left));
    }
    if meter.files.len() > 1 {
        line += &format!(", file {} of {}", file + 1, meter.files.len());
    }
    let name = path.file_name().unwrap_or(path.as_os_str());
    format!("{line}: {}", printable(name))
}

/// Minutes and seconds, and hours if there are any.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(bytes: &[u64]) -> Meter {
        let file = |&bytes: &u64| File { bytes, parts: AtomicU64::new(0) };
        Meter { audio_us: AtomicU64::new(0), files: bytes.iter().map(file).collect() }
    }

    #[test]
    fn the_line_says_what_is_done_how_fast_and_what_is_left() {
        let meter = meter(&[3000, 1000]);
        let line = |seconds| line(&meter, Duration::from_secs(seconds), 1, Path::new("a/b\n.wav"));
        assert_eq!(line(0), r"0:00 done, file 2 of 2: b\n.wav");
        meter.add(3700.0);
        meter.set(0, 1.0);
        meter.set(1, 0.2);
        assert_eq!(line(40), r"1:01:40 done, 92x real time, 0:10 left, file 2 of 2: b\n.wav");
    }

    #[test]
    fn of_a_pipe_nobody_knows_what_is_left() {
        let meter = meter(&[0]);
        meter.add(61.0);
        assert_eq!(line(&meter, Duration::from_secs(2), 0, Path::new("-")), "1:01 done, 30x real time: -");
    }
}
