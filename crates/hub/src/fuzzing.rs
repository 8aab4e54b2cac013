//! What the fuzz targets call.

use crate::api::values::parse::{Stamp, list};

/// Reads a list of values; what is taken must be what another parser reads.
pub fn values(body: &[u8]) {
    let _ = list(body, Stamp::Now(1));
    let Ok(sent) = list(body, Stamp::Own) else { return };
    for one in &sent {
        assert!(one.value.is_finite(), "{one:?}");
        assert!((0..=crate::api::values::LAST_TIME).contains(&one.time), "{one:?}");
    }
    // Words that are no JSON are refused where they are read, but passed over in members that nobody reads.
    if let Ok(serde_json::Value::Array(values)) = serde_json::from_slice(body) {
        assert_eq!(values.len(), sent.len());
        for (one, value) in sent.iter().zip(&values) {
            assert_eq!(value["p"].as_str(), Some(&*one.path));
        }
    }
}
