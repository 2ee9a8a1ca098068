//! A disk that loses power: what it holds for sure, and what it may hold.
//!
//! What it assumes is what POSIX promises, and no more:
//! - what a file held when a sync of it began is durable when that sync has ended;
//! - a later write is kept, lost, or torn: each of its sectors kept or lost on its own, but never
//!   kept without what was written to that sector before. Where the file grew, lost bytes are zeros
//!   or the file ends before them;
//! - with a lost truncation everything later in that file is lost too;
//! - creations, renames and removals in a directory become durable with a sync of that directory;
//!   of the later ones any prefix may be kept, for each directory on its own;
//! - `sync_file_range` makes nothing durable.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rand::rngs::StdRng;

use crate::file::File;
use crate::trace::Event;

/// All that was recorded up to now, below one root.
pub struct Disk {
    root: PathBuf,
    files: Vec<File>,
    directories: Vec<Directory>,
    open: HashMap<i32, Node>,
    /// Syncs under way: what is synced, and how much of its history.
    syncs: HashMap<i64, (Node, usize)>,
}

/// An inode; the first directory is the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory(usize),
}

#[derive(Default)]
struct Directory {
    durable: BTreeMap<String, Node>,
    now: BTreeMap<String, Node>,
    /// Changes not yet durable, oldest first.
    pending: Vec<Naming>,
    /// How many changes are durable.
    synced: usize,
}

#[derive(Debug, Clone)]
enum Naming {
    Add(String, Node),
    Remove(String),
    Rename(String, String),
}

impl Disk {
    /// A disk that durably holds what is in `from` now; the recorded process knew it as `root`.
    pub fn load(from: &Path, root: &Path) -> Disk {
        let mut disk = Disk {
            root: root.into(),
            files: Vec::new(),
            directories: vec![Directory::default()],
            open: HashMap::new(),
            syncs: HashMap::new(),
        };
        disk.load_directory(from, 0);
        disk
    }

    fn load_directory(&mut self, from: &Path, at: usize) {
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let node = if entry.path().is_dir() {
                let number = self.new_directory();
                self.load_directory(&entry.path(), number);
                Node::Directory(number)
            } else {
                self.new_file(fs::read(entry.path()).unwrap())
            };
            self.directories[at].durable.insert(name.clone(), node);
            self.directories[at].now.insert(name, node);
        }
    }

    /// Takes the next call.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Open {
                fd,
                truncates,
                path,
            } => self.open(*fd, *truncates, path),
            Event::Close { fd } => {
                self.open.remove(fd);
            }
            Event::Duplicate { fd, to } => {
                self.open.insert(*to, self.open[fd]);
            }
            Event::Write { fd, offset, bytes } => self.file(*fd).write(*offset, bytes),
            Event::Truncate { fd, length } => self.file(*fd).truncate(*length),
            Event::Allocate { fd, end } => self.file(*fd).grow(*end),
            Event::Rename { from, to } => {
                let (directory, old) = self.parent(from);
                let (other, new) = self.parent(to);
                assert_eq!(
                    directory, other,
                    "renames between directories are not modelled"
                );
                self.directories[directory].change(Naming::Rename(old, new));
            }
            Event::Unlink { path } => {
                let (directory, name) = self.parent(path);
                self.directories[directory].change(Naming::Remove(name));
            }
            Event::MakeDirectory { path } => {
                let (directory, name) = self.parent(path);
                let node = Node::Directory(self.new_directory());
                self.directories[directory].change(Naming::Add(name, node));
            }
            Event::SyncBegins { fd, number } => {
                let node = self.open[fd];
                let reached = match node {
                    Node::File(file) => self.files[file].reached(),
                    Node::Directory(at) => self.directories[at].reached(),
                };
                self.syncs.insert(*number, (node, reached));
            }
            Event::SyncEnds { number } => match self.syncs.remove(number).unwrap() {
                (Node::File(file), reached) => self.files[file].sync(reached),
                (Node::Directory(at), reached) => self.directories[at].sync(reached),
            },
            Event::Mark { .. } => {}
        }
    }

    fn open(&mut self, fd: i32, truncates: bool, path: &Path) {
        let node = match self.find(path) {
            Some(node) => node,
            None => {
                let (directory, name) = self.parent(path);
                let node = self.new_file(Vec::new());
                self.directories[directory].change(Naming::Add(name, node));
                node
            }
        };
        self.open.insert(fd, node);
        if truncates && let Node::File(file) = node {
            self.files[file].truncate(0);
        }
    }

    /// The process is killed: what it wrote stays readable, and no more durable than it was.
    pub fn process_ends(&mut self) {
        self.open.clear();
        self.syncs.clear();
    }

    /// Writes to `to` one state that the disk may hold if power is lost now.
    pub fn lose_power(&self, to: &Path, random: &mut StdRng) {
        self.write(0, to, Some(random));
    }

    /// Writes to `to` what the process itself would read now.
    pub fn write_out(&self, to: &Path) {
        self.write(0, to, None);
    }

    /// New names of files in `folder` whose renaming is not durable.
    pub fn unsynced_renames(&self, folder: &str) -> Vec<&str> {
        let pending = self.folder(folder).into_iter().flat_map(|at| &at.pending);
        let renamed = pending.filter_map(|naming| match naming {
            Naming::Rename(_, to) => Some(to.as_str()),
            Naming::Add(..) | Naming::Remove(_) => None,
        });
        renamed.collect()
    }

    /// Names in `folder` of files with content that is not durable.
    pub fn unsynced_files(&self, folder: &str) -> Vec<&str> {
        let named = self.folder(folder).into_iter().flat_map(|at| &at.now);
        let unsynced = named.filter(|(_, node)| match node {
            Node::File(file) => !self.files[*file].is_synced(),
            Node::Directory(_) => false,
        });
        unsynced.map(|(name, _)| name.as_str()).collect()
    }

    fn write(&self, at: usize, to: &Path, mut random: Option<&mut StdRng>) {
        fs::create_dir_all(to).unwrap();
        let directory = &self.directories[at];
        let names = match &mut random {
            Some(random) => directory.after(any_prefix(random, directory.pending.len())),
            None => directory.now.clone(),
        };
        for (name, node) in names {
            let path = to.join(name);
            match node {
                Node::Directory(number) => self.write(number, &path, random.as_deref_mut()),
                Node::File(number) => {
                    let file = &self.files[number];
                    let content = match &mut random {
                        Some(random) => file.lose_power(random),
                        None => file.content(),
                    };
                    fs::write(path, content).unwrap();
                }
            }
        }
    }

    fn folder(&self, name: &str) -> Option<&Directory> {
        match self.directories[0].now.get(name)? {
            Node::Directory(at) => Some(&self.directories[*at]),
            Node::File(_) => None,
        }
    }

    fn find(&self, path: &Path) -> Option<Node> {
        let mut node = Node::Directory(0);
        for name in path.strip_prefix(&self.root).unwrap() {
            let Node::Directory(at) = node else {
                return None;
            };
            node = *self.directories[at].now.get(name.to_str().unwrap())?;
        }
        Some(node)
    }

    fn parent(&self, path: &Path) -> (usize, String) {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        match self.find(path.parent().unwrap()) {
            Some(Node::Directory(at)) => (at, name),
            _ => panic!("{} has no directory", path.display()),
        }
    }

    fn file(&mut self, fd: i32) -> &mut File {
        match self.open[&fd] {
            Node::File(file) => &mut self.files[file],
            Node::Directory(_) => panic!("a write to a directory"),
        }
    }

    fn new_file(&mut self, content: Vec<u8>) -> Node {
        self.files.push(File::durable(content));
        Node::File(self.files.len() - 1)
    }

    fn new_directory(&mut self) -> usize {
        self.directories.push(Directory::default());
        self.directories.len() - 1
    }
}

impl Directory {
    fn change(&mut self, naming: Naming) {
        naming.apply(&mut self.now);
        self.pending.push(naming);
    }

    fn reached(&self) -> usize {
        self.synced + self.pending.len()
    }

    fn sync(&mut self, reached: usize) {
        for naming in self.pending.drain(..reached.saturating_sub(self.synced)) {
            naming.apply(&mut self.durable);
            self.synced += 1;
        }
    }

    /// The names after the first `kept` changes that are not durable.
    fn after(&self, kept: usize) -> BTreeMap<String, Node> {
        let mut names = self.durable.clone();
        self.pending[..kept]
            .iter()
            .for_each(|naming| naming.apply(&mut names));
        names
    }
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Naming::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Naming::Remove(name) => {
                names.remove(name);
            }
            Naming::Rename(from, to) => {
                let node = names.remove(from).unwrap();
                names.insert(to.clone(), node);
            }
        }
    }
}

/// None, all, or any number of `length`: the ends are where mistakes lie, so they come often.
pub fn any_prefix(random: &mut StdRng, length: usize) -> usize {
    match random.random_range(0..3) {
        0 => 0,
        1 => length,
        _ => random.random_range(0..=length),
    }
}
