#![no_main]
//! A room's name and a pattern, a line each: taken or refused, and a name fits the pattern that it is.

use libfuzzer_sys::fuzz_target;
use tutti::auth::Grant;
use tutti::config::{IpRange, Origin, OriginPattern};
use tutti::ids::{RoomName, RoomPattern};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (name, pattern) = text.split_once('\n').unwrap_or((text, "*"));
    let pattern = RoomPattern::parse(pattern);
    if let Ok(room) = RoomName::parse(name) {
        assert_eq!(room.as_str(), name);
        assert!(name.len() <= 200 && !name.contains(['\0', '\n', '\\', '%', '*', '?', '#', '\'', '"', '<', '>']));
        assert!(name.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        assert!(RoomPattern::parse(name).is_ok_and(|pattern| pattern.matches(&room)), "a name is a pattern of itself");
        if let Ok(pattern) = &pattern {
            assert!(!pattern.is_everything() || pattern.matches(&room));
        }
    }
    if let Ok(grant) = Grant::parse(text) {
        assert_eq!(Grant::parse(&format!("{}={}", grant.pattern, grant.access)).as_ref(), Ok(&grant));
    }
    if let Ok(origin) = Origin::parse(text) {
        assert_eq!(Origin::parse(&origin.to_string()).as_ref(), Ok(&origin));
        assert!(OriginPattern::parse(text).is_ok_and(|pattern| pattern.matches(&origin)));
    }
    if let Ok(range) = text.parse::<IpRange>() {
        assert_eq!(range.to_string().parse(), Ok(range));
    }
});
