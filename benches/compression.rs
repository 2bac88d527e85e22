//! What compression saves and costs on a recorded session, for docs/PERFORMANCE.md: `cargo bench --bench compression`.
#![allow(clippy::print_stdout, reason = "it prints its figures")]

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::time::Duration;

use flate2::read::GzDecoder;
use miniz_oxide::deflate::compress_to_vec;
use serde::Deserialize;
use tutti::protocol::yjs;
use tutti::wire::deflate::{Inflater, deflate};
use tutti::wire::{DeflateRules, Encoding, Frame};
use yrs::{Doc, ReadTxn, StateVector, Text, Transact};

/// A person writes an article of 57 KB.
const RECORDING: &str = "tests/data/seph-blog1.json.gz";
/// The author's Yjs client. Its length counts: most of a keystroke's message is ids.
const CLIENT: u64 = 2_891_337_413;
/// How much CPU time each figure is measured for.
const MEASURED: Duration = Duration::from_millis(500);
/// As the settings have it, and as if everything was worth compressing.
const MINIMA: [usize; 3] = [1024, 128, 1];
/// What a client brings along that was offline, in transactions.
const OFFLINE_TXNS: usize = 500;
const LEVELS: [u8; 3] = [1, 3, 6];
const MB: usize = 1_000_000;

#[derive(Deserialize)]
struct Recording {
    txns: Vec<Txn>,
}

#[derive(Deserialize)]
struct Txn {
    patches: Vec<(u32, u32, String)>,
}

/// The session as its author's client sends it, in edits of so many transactions, and the document.
fn replayed(recording: &Recording, txns_each: usize) -> (Vec<Frame>, Doc) {
    let doc = Doc::with_client_id(CLIENT);
    let text = doc.get_or_insert_text("content");
    let typed = |txns: &[Txn]| {
        let mut edit = doc.transact_mut();
        for (position, deleted, inserted) in txns.iter().flat_map(|txn| &txn.patches) {
            if *deleted > 0 {
                text.remove_range(&mut edit, *position, *deleted);
            }
            text.insert(&mut edit, *position, inserted);
        }
        yjs::update(&edit.encode_update_v1())
    };
    let frames = recording.txns.chunks(txns_each).map(typed).collect();
    (frames, doc)
}

/// The CPU time of this thread, which other programs do not change. Linux tells it.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds on the CPU");
    Duration::from_nanos(nanos)
}

/// How much CPU time `act` takes, on average.
fn time(mut act: impl FnMut()) -> Duration {
    let (started, mut times) = (cpu_time(), 0);
    loop {
        act();
        times += 1;
        let spent = cpu_time() - started;
        if spent > MEASURED {
            return spent / times;
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Bytes and time of `frames`, by the shortest message that is compressed.
fn print_frames(what: &str, frames: &[Frame]) {
    let plain: usize = frames.iter().map(Frame::plain_bytes).sum();
    println!("{what}: {} messages, {plain} bytes", frames.len());
    for bytes_min in MINIMA {
        let encoding = Encoding::Deflated(DeflateRules { bytes_min, window_bits: 15 });
        let fresh = |frame: &Frame| Frame::binary(&[frame.payload()]);
        let compressed: usize = frames.iter().map(|frame| frame.encoded(encoding).len()).sum();
        let with = time(|| frames.iter().for_each(|frame| drop(black_box(fresh(frame).encoded(encoding).clone()))));
        let without = time(|| frames.iter().for_each(|frame| drop(black_box(fresh(frame).plain().clone()))));
        let saved = 100.0 * (plain - compressed) as f64 / plain as f64;
        let each = micros(with.saturating_sub(without)) / frames.len() as f64;
        println!("  from {bytes_min:>4} bytes: {compressed:>8} bytes, {saved:>5.1} % saved, {each:>8.1} µs a message");
    }
}

/// Time for a message to be compressed, once for all, and to be inflated.
fn print_times(what: &str, message: &[u8]) {
    let compressed = deflate(message, message.len() + 1024, <[u8]>::to_vec).unwrap_or_default();
    let deflating = time(|| {
        black_box(deflate(black_box(message), message.len() + 1024, <[u8]>::len));
    });
    let inflating = time(|| {
        let mut inflater = Inflater::default();
        let mut allowance = usize::MAX;
        let taken = inflater.inflate(black_box(&compressed), message.len(), &mut allowance);
        assert_eq!((taken, inflater.finish(message.len())), (Ok(compressed.len()), Ok(())));
        black_box(inflater.into_parts().into_bytes());
    });
    println!(
        "{what}: {} bytes become {}; compressing takes {:.0} µs, inflating {:.0} µs",
        message.len(),
        compressed.len(),
        micros(deflating),
        micros(inflating)
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let recording: Recording = serde_json::from_reader(GzDecoder::new(File::open(RECORDING)?))?;
    let (keystrokes, doc) = replayed(&recording, 1);
    print_frames("typing, live", &keystrokes);
    print_frames(&format!("typing, {OFFLINE_TXNS} transactions at a time"), &replayed(&recording, OFFLINE_TXNS).0);
    let state = doc.transact().encode_state_as_update_v1(&StateVector::default());
    print_frames("opening the document", &[yjs::update(&state)]);

    let long: Vec<u8> = state.iter().copied().cycle().take(MB).collect();
    for bytes in [1024, 16 * 1024, 64 * 1024, 512 * 1024, MB] {
        print_times("a document", &long[..bytes]);
    }
    print_times("zeros", &vec![0; MB]);
    for level in LEVELS {
        let took = time(|| drop(black_box(compress_to_vec(black_box(&state), level))));
        let bytes = compress_to_vec(&state, level).len();
        println!("level {level}: {} bytes become {bytes} in {:.0} µs", state.len(), micros(took));
    }
    Ok(())
}
