//! What the server's processes used, from /proc (Linux).

use crate::Failure;
use std::fs::read_to_string;

/// /proc counts CPU in ticks of this many microseconds: USER_HZ is 100 on every Linux that matters here.
const TICK_US: u64 = 10_000;

/// Sums over processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time, microseconds, of ended threads too.
    pub(crate) cpu_us: u64,
    /// Bytes sent towards the disk.
    pub(crate) written: u64,
    pub(crate) rss_kb: u64,
    /// Of those, not backed by a file.
    pub(crate) anon_kb: u64,
}

/// Adds up what the processes have used so far.
///
/// # Errors
/// A process that is gone, or that belongs to another user.
pub(crate) fn usage(pids: &[u32]) -> Result<Usage, Failure> {
    let mut sum = Usage::default();
    for pid in pids {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            read_to_string(&path).map_err(|error| format!("{path}: {error}"))
        };
        sum.cpu_us += cpu_us(&read("stat")?).ok_or("/proc/PID/stat has another form than expected")?;
        sum.written += field(&read("io")?, "write_bytes:");
        let status = read("status")?;
        sum.rss_kb += field(&status, "VmRSS:");
        sum.anon_kb += field(&status, "RssAnon:");
    }
    Ok(sum)
}

/// The 14th and 15th field; the second one is the program's name in parentheses and may hold anything.
fn cpu_us(stat: &str) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 2..];
    let mut fields = after_name.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// The number after `name`, 0 where there is none.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
}
