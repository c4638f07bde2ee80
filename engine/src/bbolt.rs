//! bbolt's file format, as far as etcd uses it: named buckets, each a B+ tree of keys and values in ascending order.
//!
//! A file is a sequence of pages, numbered from 0. Pages 0 and 1 are copies of the *meta*, which names the root page; all
//! others are *branches* and *leaves*. The root tree's values are the buckets: the number of each one's root page. Every
//! page begins with a header that says how many pages more it runs over. `page` is that layout, `writer` makes trees from
//! the bottom up, without going back to a page once it is written, and `reader` walks through them, trusting nothing.
//!
//! What is absent: a list of free pages (etcd writes none, and bbolt finds out itself), buckets within buckets, and changes to a file.

mod page;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use page::PAGE_BYTES;
pub use reader::{Bucket, Damage, Named, ReadError, Reader, Source, Visit};
pub use writer::{Pages, TreeWriter, meta_pages, write_root};
