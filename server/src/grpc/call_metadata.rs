//! What a client says about itself in metadata.

use detcd_engine::request::RequestError;
use tonic::metadata::MetadataMap;

/// What it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallMetadata {
    /// Refuse rather than wait where there is no leader; end a stream that has been without one for long.
    pub(super) require_leader: bool,
}

/// Reads a call's metadata.
pub(super) fn read(metadata: &MetadataMap) -> Result<CallMetadata, RequestError> {
    if let Some(version) = metadata.get("client-api-version")
        && std::str::from_utf8(version.as_bytes()).is_err()
    {
        return Err(RequestError::InvalidClientApiVersion);
    }
    let require_leader = metadata.get("hasleader").is_some_and(|value| value.as_bytes() == b"true");
    Ok(CallMetadata { require_leader })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::metadata::MetadataValue;

    fn metadata(key: &'static str, value: &'static [u8]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(key, MetadataValue::try_from(value).unwrap());
        metadata
    }

    #[test]
    fn only_the_word_true_asks_for_a_leader() {
        for (key, value, expected) in [
            ("hasleader", b"true".as_slice(), true),
            ("hasleader", b"false", false),
            ("other", b"true", false),
        ] {
            let found = read(&metadata(key, value)).unwrap();
            assert_eq!(found.require_leader, expected, "{key}");
        }
    }

    #[test]
    fn a_client_api_version_must_be_utf8() {
        assert_eq!(
            read(&metadata("client-api-version", b"3.7\xff")),
            Err(RequestError::InvalidClientApiVersion)
        );
        assert!(read(&metadata("client-api-version", b"3.7")).is_ok());
    }
}
