//! How files that users name are opened and read: only regular files, reached through links or not, and where a file is
//! read whole, or line by line, only up to a bound. A device or a named pipe would be read for ever, or hold up whoever opens it.
//! And what is said of a file or a folder that is not there any more.
//!
//! ```
//! let refused = twinstore_files::open("/dev/zero".as_ref()).unwrap_err();
//! assert!(refused.to_string().contains("a device"));
//! ```

mod gone;
mod line;
mod regular;
mod writable;

pub use gone::{remove_folder, unless_gone};
pub use line::{Line, append_line};
pub use regular::{open, read, read_text};
pub use writable::is_read_only;
