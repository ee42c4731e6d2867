//! The programs in the how-to page of clients, which compile as they stand there.
#![doc = include_str!("../../../docs/how-to/clients.md")]
