//! Several files at once, their updates in the order of the files.

use super::context::{Context, Selection};
use super::outlet::Outlet;
use super::recording::Recording;
use super::update::{Track, Update};
use crate::failure::Failure;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Updates that may wait for the thread that writes them.
const UPDATES_AHEAD: usize = 64;
/// How often the progress line is drawn at least.
const REDRAW: Duration = Duration::from_millis(200);

/// Takes updates.
pub trait Sink {
    /// Takes the next update of the file with that number. Files come in order.
    ///
    /// # Errors
    /// If it cannot be written: then all work ends.
    fn take(&mut self, file: usize, update: Update) -> Result<(), Failure>;

    /// Shows how far the work is. Called a few times a second.
    fn tick(&mut self);
}

/// Takes files through the engine, `jobs` at a time. The updates of the first file that is not done go to `sink` as
/// they come, those of files behind it wait.
///
/// # Errors
/// Those of `sink`.
pub fn transcribe(
    context: Context<'_>,
    files: &[PathBuf],
    jobs: usize,
    sink: &mut impl Sink,
) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, updates) = sync_channel(UPDATES_AHEAD);
        for _ in 0..jobs {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while context.stop.reason().is_none() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = files.get(index) else { return };
                    file(context, path, Outlet::new(index, sender.clone()));
                }
            });
        }
        drop(sender);
        let mut order = InOrder { waiting: files.iter().map(|_| VecDeque::new()).collect(), current: 0 };
        loop {
            let outcome = match updates.recv_timeout(REDRAW) {
                Ok((file, update)) => order.take(file, update, sink),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if let Err(failure) = outcome {
                context.stop.abandon();
                return Err(failure);
            }
            sink.tick();
        }
    })
}

/// Transcribes the tracks of a file.
fn file(context: Context<'_>, path: &Path, mut outlet: Outlet) {
    let mut track = |channel: Option<usize>, is_late: bool| {
        let recording = Recording::new(context, Track { path: path.to_path_buf(), channel }, &mut outlet);
        if is_late { recording.late() } else { recording }.run()
    };
    match context.selection {
        Selection::Mixed => _ = track(None, false),
        Selection::One(channel) => _ = track(Some(channel), false),
        Selection::Separate => {
            let channels = track(Some(1), false);
            for channel in 2..=channels.most {
                if context.stop.reason().is_none() {
                    track(Some(channel), channel > channels.at_start);
                }
            }
        }
    }
    context.meter.set(outlet.file(), 1.0);
    outlet.give(Update::Done);
    outlet.finish();
}

/// Updates that wait for those of the files before theirs.
struct InOrder {
    waiting: Vec<VecDeque<Update>>,
    current: usize,
}

impl InOrder {
    fn take(&mut self, file: usize, update: Update, sink: &mut impl Sink) -> Result<(), Failure> {
        self.waiting[file].push_back(update);
        while let Some(update) = self.waiting.get_mut(self.current).and_then(VecDeque::pop_front) {
            let is_done = matches!(update, Update::Done);
            sink.take(self.current, update)?;
            self.current += usize::from(is_done);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes the file and the text of every update.
    #[derive(Default)]
    struct Notes(Vec<(usize, String)>);

    impl Sink for Notes {
        fn take(&mut self, file: usize, update: Update) -> Result<(), Failure> {
            let text = match update {
                Update::Warning(text) => text,
                other => format!("{other:?}"),
            };
            self.0.push((file, text));
            Ok(())
        }

        fn tick(&mut self) {}
    }

    #[test]
    fn the_first_file_that_is_not_done_goes_ahead_and_the_others_wait() {
        let mut order = InOrder { waiting: (0..3).map(|_| VecDeque::new()).collect(), current: 0 };
        let mut notes = Notes::default();
        let warning = |text: &str| Update::Warning(text.into());
        let given = [
            (1, warning("b"), 0),
            (0, warning("a"), 1),
            (2, warning("c"), 1),
            (2, Update::Done, 1),
            (1, warning("bb"), 1),
            (0, Update::Done, 4),
            (1, warning("bbb"), 5),
            (1, Update::Done, 8),
        ];
        for (file, update, count) in given {
            order.take(file, update, &mut notes).unwrap();
            assert_eq!(notes.0.len(), count);
        }
        let texts: Vec<_> = notes.0.iter().map(|(file, text)| format!("{file}{text}")).collect();
        assert_eq!(texts, ["0a", "0Done", "1b", "1bb", "1bbb", "1Done", "2c", "2Done"]);
    }
}
