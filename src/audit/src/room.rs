//! Whether records will go on to fit, and who is told.

use crate::Fault;

/// Whether there is space to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// A whole file is set aside for when the present one is full, and the file system has more.
    Enough,
    /// There is no space to set another file aside, or the file system has less than it should.
    /// Records still fit: into the rest of the present file, and the one set aside if there is one.
    /// The node should become not ready and hand over what it leads.
    Short,
    /// A record did not fit, and was refused.
    Full,
}

/// Who is told what happens to a trail, from threads of the trail and from those that record. It
/// must not block, and not call the trail.
pub trait Watcher: Send + Sync + 'static {
    /// There is more or less room than before; the first call is for anything but [`Room::Enough`].
    fn room_changed(&self, room: Room);

    /// The trail has stopped; the process must. Told once.
    fn failed(&self, fault: &Fault);
}
