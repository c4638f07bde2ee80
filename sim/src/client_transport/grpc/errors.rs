//! Converts a status to the outcome of a request: etcd's texts are refusals of the engine, all others errors of the
//! transport.

use super::super::Loss;
use detcd_engine::request::RequestError as E;
use server_sim::wire;
use tonic::{Code, Status};

/// The refusal that a status is.
///
/// # Panics
/// It has the text of one refusal and the code of another.
pub(super) fn refusal(status: &Status) -> Option<E> {
    let known = E::ALL.iter().copied().find(|error| error.to_string() == status.message());
    assert!(
        known.is_some() || !status.message().starts_with("etcdserver: "),
        "promise broken: refusals have etcd's words, but one said {status:?}"
    );
    if let Some(error) = known {
        let code = wire::error::code(error);
        assert!(
            status.code() == code,
            "promise broken: refusals have etcd's codes, but {error:?} came as {status:?}"
        );
    }
    known
}

/// The outcome of a call that ended with this status.
pub(super) fn loss(status: &Status) -> Loss {
    match refusal(status) {
        Some(error) => Loss::of(error),
        None if never_left(status) => Loss::NotDone,
        None => Loss::Unknown,
    }
}

/// There was no connection: nothing was sent. The words are madsim-tonic's.
fn never_left(status: &Status) -> bool {
    status.code() == Code::Unavailable && matches!(status.message(), "transport error" | "connection refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_come_back_as_what_they_were() {
        for error in E::ALL.iter().copied() {
            assert_eq!(loss(&wire::error::status(error)), Loss::of(error));
        }
    }

    #[test]
    fn only_a_call_that_never_left_is_surely_not_done() {
        assert_eq!(loss(&Status::unavailable("connection refused")), Loss::NotDone);
        assert_eq!(loss(&Status::unavailable("connection reset")), Loss::Unknown);
        assert_eq!(loss(&Status::unknown("connection refused")), Loss::Unknown);
    }

    #[test]
    #[should_panic(expected = "refusals have etcd's codes")]
    fn a_refusal_with_a_wrong_code_is_noticed() {
        refusal(&Status::internal(E::Compacted.to_string()));
    }
}
