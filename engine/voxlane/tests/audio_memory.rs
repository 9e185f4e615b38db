//! Memory of the audio path: the resampler allocates nothing once it is made, and no damaged file makes a reader
//! allocate by what its header claims.
#![cfg(feature = "files")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use voxlane::audio::file::{Reader, ReaderOptions, read};
use voxlane::audio::resample::Resampler;

/// Counts what its own thread allocates.
struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn note(calls: usize, bytes: isize) {
    CALLS.set(CALLS.get() + calls);
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: every call goes to `System` unchanged; the counters are plain cells that never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls to the allocator, and the most bytes alive beyond those at the start, while `work` runs.
fn measure(work: impl FnOnce()) -> (usize, isize) {
    let (calls, live) = (CALLS.get(), LIVE.get());
    PEAK.set(live);
    work();
    (CALLS.get() - calls, PEAK.get() - live)
}

#[test]
fn a_resampler_allocates_nothing_after_construction() {
    for rate in [8_000, 16_000, 44_100, 48_000] {
        let mut resampler = Resampler::new(rate).unwrap();
        let (input, mut output) = (vec![0.1; 5_000], vec![0.0; 20_000]);
        let (calls, _) = measure(|| {
            for chunk in input.chunks(333) {
                assert_eq!(resampler.process(chunk, &mut output).unwrap().consumed, chunk.len());
            }
            while resampler.flush(&mut output[..100]).unwrap() > 0 {}
            resampler.reset().unwrap();
        });
        assert_eq!(calls, 0, "{rate} Hz");
    }
    let (calls, peak) = measure(|| drop(std::hint::black_box(vec![0u8; 1000])));
    assert_eq!((calls, peak), (1, 1000), "the counter counts");
}

/// More than any reader needs: decoder tables, buffers and 64 KiB of tags.
const READER_BYTES: isize = 8 << 20;

#[test]
fn a_reader_of_damaged_files_stays_small() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio");
    let file = tempfile::NamedTempFile::new().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        // Every byte of the headers at its extremes, one at a time.
        for at in 0..bytes.len().min(100) {
            for value in [0x7F, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                std::fs::write(file.path(), &damaged).unwrap();
                let (_, peak) = measure(|| {
                    let Ok(mut reader) = Reader::open(file.path()) else { return };
                    while let Ok(Some(_)) = reader.next_block() {}
                });
                assert!(peak < READER_BYTES, "{}, byte {at} = {value:#x}: {peak} bytes", path.display());
            }
        }
    }
}

#[test]
fn a_wav_header_that_claims_gigabytes_costs_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for claimed in [0x7000_0000u32, 0xFFFF_FFF0, u32::MAX] {
        let mut bytes =
            b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3E\0\0\0\x7D\0\0\x02\0\x10\0data"
                .to_vec();
        bytes.extend(claimed.to_le_bytes());
        bytes.extend([1; 1000]);
        std::fs::write(file.path(), &bytes).unwrap();
        let (_, peak) = measure(|| {
            let result = read(file.path());
            // Lengths near the maximum mean "not filled in", others are lies.
            assert_eq!(result.is_ok(), claimed >= 0x7FFF_0000, "{claimed:#x}");
        });
        assert!(peak < 1 << 18, "{claimed:#x}: {peak} bytes");
    }
}

#[test]
fn a_pipe_that_never_ends_costs_nothing() {
    // A WAV without a length, a CAF without one, and a WAV of 64 channels at the highest rate.
    let heads: [&[u8]; 3] = [
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\x80\x3E\0\0\0\xFA\0\0\x04\0\x10\0data\0\0\0\0",
        b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x20\x40\xCF\x40\0\0\0\0\0lpcm\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\0\0\x10data\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x40\0\0\xEE\x02\0\0\0\x77\x01\x80\0\x10\0data\0\0\0\0",
    ];
    for head in heads {
        let (_, peak) = measure(|| {
            let bytes = std::io::Read::chain(head, std::io::repeat(1));
            let mut reader = Reader::from_stream("pipe", Box::new(bytes), ReaderOptions::default()).unwrap();
            let mut samples = 0;
            while samples < 2_000_000 {
                samples += reader.next_block().unwrap().expect("it never ends").len();
            }
        });
        assert!(peak < READER_BYTES, "{peak} bytes");
    }
}
