#![no_main]
//! Any bytes as a message of a JSON client, and as what REST publishes: read or refused, with bounds on all that is kept, and errors that
//! can be told.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutti::protocol::json::decode::{decode, publication};
use tutti::protocol::json::{Body, signal, well_formed};

/// What an error may quote of a message, and say beside it.
const ERROR_BYTES_MAX: usize = 1000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((room, payload)) = signal::decode(&Bytes::copy_from_slice(bytes)) {
        assert!(room.as_str().len() <= 200 && payload.len() < bytes.len());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let text = well_formed(text);
    assert_eq!(well_formed(&text), text);
    match decode(&text) {
        Ok(messages) => {
            assert!(messages.len() <= 256);
            for message in messages {
                assert!(message.request_id.is_none_or(|id| id.len() <= 64));
                match message.body {
                    Ok(Body::Join { room, .. } | Body::Leave { room } | Body::InRoom { room, .. }) => {
                        assert!(room.as_str().len() <= 200);
                    }
                    Ok(_) => {}
                    Err(error) => assert!(error.to_string().len() <= ERROR_BYTES_MAX, "{error}"),
                }
            }
        }
        Err(error) => assert!(error.to_string().len() <= ERROR_BYTES_MAX, "{error}"),
    }
    match publication(&text) {
        Ok(published) => {
            assert!(published.key.is_none_or(|key| key.len() <= 256 && !key.contains('\0')));
            assert!(published.event.text.is_none_or(|text| !text.contains('\0')));
        }
        Err(error) => assert!(error.to_string().len() <= ERROR_BYTES_MAX, "{error}"),
    }
});
