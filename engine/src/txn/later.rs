//! Ranges of a writing transaction that are too large to be evaluated while it is applied.
//!
//! They change nothing, so nobody but the waiting client needs their answers. What each of them saw ends at a position
//! within the transaction's own revision, and can still be read when the transaction is done, from a view, on any thread
//! (`Unfinished::finish`). Members without a waiting client drop it.

use crate::mvcc::{LaterRange, View};
use crate::request::{RangeResponse, TxnOpResponse, TxnResponse};

/// Looks at a key, at most, for all ranges of a transaction together while it is applied: below half a millisecond. The
/// first range that takes more, and all after it, are left for later.
pub const RANGE_LOOKS_MAX: u64 = 2_000;

/// The answer to a range of a transaction that was applied. As large as what is found: then the list of a transaction's
/// answers becomes the finished one where it stands, and is never there twice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TxnRange {
    /// Small, and evaluated.
    Found(RangeResponse),
    /// To be evaluated.
    Later(Box<LaterRange>),
}

const _: () = assert!(size_of::<TxnRange>() == size_of::<RangeResponse>());

/// What a transaction did, without the answers to some of its ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished(pub(super) TxnResponse<TxnRange>);

/// The response, where nothing was left for later.
pub(super) fn finished(response: TxnResponse<TxnRange>) -> Result<TxnResponse, Unfinished> {
    if has_later(&response) {
        return Err(Unfinished(response));
    }
    Ok(with_ranges(response, &|range| match range {
        TxnRange::Found(found) => found,
        TxnRange::Later(range) => unreachable!("{range:?} was looked for"),
    }))
}

impl Unfinished {
    /// As far as it is known.
    pub(crate) fn response(&self) -> &TxnResponse<TxnRange> {
        &self.0
    }

    /// Evaluates what was left, however long it takes. The view is of the state as the transaction left it.
    pub fn finish(self, view: &View) -> TxnResponse {
        with_ranges(self.0, &|range| match range {
            TxnRange::Found(found) => found,
            TxnRange::Later(range) => view.later_range(&range),
        })
    }
}

fn has_later(response: &TxnResponse<TxnRange>) -> bool {
    response.responses.iter().any(|op| match op {
        TxnOpResponse::Range { response, .. } => matches!(response, TxnRange::Later(_)),
        TxnOpResponse::Put { .. } | TxnOpResponse::DeleteRange { .. } => false,
        TxnOpResponse::Txn(nested) => has_later(nested),
    })
}

fn with_ranges(response: TxnResponse<TxnRange>, answer: &impl Fn(TxnRange) -> RangeResponse) -> TxnResponse {
    let responses = response.responses.into_iter().map(|op| match op {
        TxnOpResponse::Range { revision, response } => {
            TxnOpResponse::Range { revision, response: answer(response) }
        }
        TxnOpResponse::Put { revision, prev_kv } => TxnOpResponse::Put { revision, prev_kv },
        TxnOpResponse::DeleteRange { revision, response } => {
            TxnOpResponse::DeleteRange { revision, response }
        }
        TxnOpResponse::Txn(nested) => TxnOpResponse::Txn(with_ranges(nested, answer)),
    });
    TxnResponse { succeeded: response.succeeded, responses: responses.collect() }
}
