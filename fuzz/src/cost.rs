//! What an input may cost: bytes from outside must not make a member work or remember out of proportion.
//!
//! The bound grows with the input, so that a decoder which trusts a length is found by an input of a few hundred bytes
//! and not only by one of a megabyte. Memory is what the process holds at its peak beyond what it held before. Time is
//! that of the processor in this thread: a machine that is busy with something else makes no find. Both are measured
//! with assertions, overflow checks and coverage counters on, which cost several times what a release build does.

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts what is live. A block that grows counts twice while it is copied.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The heap is that of the process: tests that run side by side are measured one after the other.
static MEASURED: Mutex<()> = Mutex::new(());

thread_local! {
    static EXPANDED_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The largest input that the bounds are made for.
pub const INPUT_BYTES_MAX: usize = 1024 * 1024;
/// No input may hold more than this.
const PEAK_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What the smallest one may hold: an engine, its log and its buffers.
const PEAK_BYTES_MIN: usize = 16 * 1024 * 1024;
/// And for each of its bytes.
const PEAK_PER_BYTE: usize = 64;
/// No input may take longer than this.
const TIME_MS_MAX: u64 = 1000;
/// What the smallest one may take: some hundred steps of three engines.
const TIME_MS_MIN: u64 = 250;

/// Runs a target on an input and holds what that took against the bounds.
pub fn bounded(input: &[u8], run: fn(&[u8])) {
    // A find before leaves the lock poisoned, and nothing else.
    let _measured = MEASURED.lock().unwrap_or_else(PoisonError::into_inner);
    EXPANDED_BYTES.set(0);
    let before_bytes = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let started = processor_time();
    run(input);
    let took = processor_time().saturating_sub(started);
    let peak_bytes = HEAP.peak_usage().saturating_sub(before_bytes);
    let length = input.len().max(EXPANDED_BYTES.get());
    let (most_bytes, most_ms) = bounds(length);
    assert!(
        peak_bytes <= most_bytes,
        "an input of {length} bytes held {peak_bytes} bytes, {most_bytes} are allowed"
    );
    assert!(
        took <= Duration::from_millis(most_ms),
        "an input of {length} bytes took {took:?}, {most_ms} ms are allowed"
    );
}

/// What is being run stands for an input of so many bytes: a few choices that describe a large file.
pub fn counts_as(bytes: usize) {
    EXPANDED_BYTES.set(bytes);
}

/// The most bytes and the most milliseconds for an input of this length.
fn bounds(input_bytes: usize) -> (usize, u64) {
    let bytes = PEAK_BYTES_MIN.saturating_add(input_bytes.saturating_mul(PEAK_PER_BYTE)).min(PEAK_BYTES_MAX);
    let share = (input_bytes.min(INPUT_BYTES_MAX) as u64) * (TIME_MS_MAX - TIME_MS_MIN);
    (bytes, TIME_MS_MIN + share / INPUT_BYTES_MAX as u64)
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("a processor's time is never negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_grow_to_those_of_a_megabyte() {
        assert_eq!(bounds(0), (PEAK_BYTES_MIN, TIME_MS_MIN));
        assert_eq!(bounds(INPUT_BYTES_MAX), (PEAK_BYTES_MAX, TIME_MS_MAX));
        assert_eq!(bounds(usize::MAX), (PEAK_BYTES_MAX, TIME_MS_MAX));
    }

    #[test]
    #[should_panic(expected = "16777408 are allowed")]
    fn an_allocation_out_of_proportion_is_found() {
        bounded(b"few", |_| drop(std::hint::black_box(vec![0_u8; PEAK_BYTES_MIN * 2])));
    }
}
