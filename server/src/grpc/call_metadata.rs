//! What a client says about itself in metadata.

use crate::callers::Proof;
use detcd_engine::request::{RequestError, Secret};
use tonic::metadata::MetadataMap;

/// What it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallMetadata {
    /// Refuse rather than wait where there is no leader; end a stream that has been without one for long.
    pub(super) require_leader: bool,
    /// Who it is from.
    pub(super) proof: Proof,
}

/// Reads a call's metadata.
pub(super) fn read(metadata: &MetadataMap) -> Result<CallMetadata, RequestError> {
    if let Some(version) = metadata.get("client-api-version")
        && std::str::from_utf8(version.as_bytes()).is_err()
    {
        return Err(RequestError::InvalidClientApiVersion);
    }
    let require_leader = metadata.get("hasleader").is_some_and(|value| value.as_bytes() == b"true");
    Ok(CallMetadata { require_leader, proof: proof(metadata) })
}

/// A token, as clients send it, or as HTTP has it; else the certificate.
fn proof(metadata: &MetadataMap) -> Proof {
    let Some(value) = metadata.get("token").or_else(|| metadata.get("authorization")) else {
        let name = metadata.get(super::CERTIFICATE_NAME);
        let name = name.and_then(|name| std::str::from_utf8(name.as_bytes()).ok());
        return name.map_or(Proof::None, |name| Proof::Certificate(name.to_owned()));
    };
    let value = value.as_bytes();
    let token = value.strip_prefix(b"Bearer ").unwrap_or(value);
    Proof::Token(Secret::new(token.to_vec()))
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
    fn a_token_is_found_where_clients_put_it() {
        let token = |text: &'static str| Proof::Token(Secret::new(text));
        for (key, value, expected) in [
            ("token", b"abc.5".as_slice(), token("abc.5")),
            ("authorization", b"abc.5", token("abc.5")),
            ("authorization", b"Bearer abc.5", token("abc.5")),
            ("token", b"", token("")),
            ("other", b"abc.5", Proof::None),
            ("x-detcd-certificate-name", b"alice", Proof::Certificate("alice".to_owned())),
        ] {
            assert_eq!(read(&metadata(key, value)).unwrap().proof, expected, "{key}");
        }
        let mut both = metadata("authorization", b"later");
        both.insert("token", MetadataValue::from_static("first"));
        assert_eq!(read(&both).unwrap().proof, token("first"));
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
