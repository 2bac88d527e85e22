#![no_main]
//! An offer, a zero byte, and a compressed message: what inflates is within the limit, the same in any steps, and comes back when it is
//! compressed again.

use libfuzzer_sys::fuzz_target;
use tutti::wire::deflate::{InflateError, Inflater, accept, deflate};

const LIMIT: usize = 100_000;

fn inflate(message: &[u8], piece: usize, step: usize) -> Result<Vec<u8>, InflateError> {
    let mut inflater = Inflater::default();
    for mut input in message.chunks(piece) {
        while !input.is_empty() || inflater.is_paused() {
            let mut allowance = step;
            let taken = inflater.inflate(input, LIMIT, &mut allowance)?;
            assert!(inflater.held_bytes() <= LIMIT + 1 + size_of::<Inflater>(), "{} bytes held", inflater.held_bytes());
            input = &input[taken..];
        }
    }
    inflater.finish(LIMIT)?;
    Ok(inflater.into_parts().into_bytes().into())
}

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (offer, message) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    if let Some(accepted) = accept([offer].into_iter()) {
        assert!((8..=15).contains(&accepted.window_bits()));
        assert_eq!(accept([accepted.to_string().as_bytes()].into_iter()), Some(accepted), "an answer is an offer, too");
    }
    let whole = inflate(message, usize::MAX, usize::MAX);
    let piece = usize::from(bytes.last().copied().unwrap_or(1)).max(1);
    assert_eq!(inflate(message, piece, 7 * piece), whole);
    if let Ok(inflated) = whole {
        assert!(inflated.len() <= LIMIT);
        let again = deflate(&inflated, 2 * inflated.len() + 100, |again| inflate(again, usize::MAX, usize::MAX));
        assert_eq!(again, Some(Ok(inflated)));
    }
});
