//! The mesh task: one owner of the core and of the writing store.

mod ask;

pub use ask::{Ask, AskError, MeshHandle, NumberedNotice, RelayView, Told, View};
