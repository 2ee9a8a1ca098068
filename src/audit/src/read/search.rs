//! Searches a trail by pages, each of bounded size and time.

use crate::cipher::{SealedRecord, Sealing};
use crate::header::is_header;
use crate::limits::{
    BLOCK_BYTES, CALLER_BYTES_MAX, ERROR_BYTES_MAX, METHOD_BYTES_MAX, PAGE_BYTES_MAX,
    PAGE_READ_BYTES_MAX, PAGE_RECORDS_MAX, RESOURCE_BYTES_MAX,
};
use crate::link;
use crate::record::Entry;
use crate::text::shown;
use crate::{Time, file::Piece};

use super::{Files, Found, Page, Place, ReadError, Reader};

/// Which records to find: those that match all that is given. Texts match whole; `caller` and
/// `resource` also by their beginning, if what is given ends with `*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Not before this time.
    pub from: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// Who asked.
    pub caller: Option<String>,
    /// What was called.
    pub method: Option<String>,
    /// What it was about.
    pub resource: Option<String>,
    /// `allowed`, `denied`, or the name of an error.
    pub result: Option<String>,
    /// The request's id.
    pub request: Option<[u8; 16]>,
}

/// Which records come first: by their place, which is not quite their time, since calls that run
/// beside each other are recorded as they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// From the beginning, or `from` on.
    OldestFirst,
    /// From the end, or from before `from`, back.
    NewestFirst,
}

/// A page that is being filled.
struct Filling<'a> {
    filter: Filter,
    count: usize,
    files: &'a Files,
    sealing: &'a Sealing,
    page: Page,
    line_bytes: usize,
    read_bytes: u64,
}

/// Where to read next.
enum Step {
    Goto(Place),
    /// The page is full, or there is nothing more.
    Stop(Place),
}

impl Reader {
    /// Finds up to `count` records, at most [`PAGE_RECORDS_MAX`], from a place that an earlier page
    /// told, or from the first or last record on. A page may end early, with few records or none,
    /// when it has read [`PAGE_READ_BYTES_MAX`](crate::PAGE_READ_BYTES_MAX): go on from its `next`.
    pub fn search(
        &self,
        filter: &Filter,
        order: Order,
        from: Option<Place>,
        count: usize,
    ) -> Result<Page, ReadError> {
        let mut filling = Filling {
            filter: filter.as_recorded(),
            count: count.clamp(1, PAGE_RECORDS_MAX),
            files: &self.files,
            sealing: &self.sealing,
            page: Page {
                found: Vec::new(),
                next: from,
                is_end: false,
                unreadable: 0,
                unopened: 0,
            },
            line_bytes: 0,
            read_bytes: 0,
        };
        let first = match (from, order) {
            (Some(place), _) => Some(place),
            (None, Order::NewestFirst) => self.files.end()?,
            (None, Order::OldestFirst) => {
                let oldest = self.files.filled()?.first().copied();
                oldest.map(|(file, _)| Place { file, offset: 0 })
            }
        };
        let Some(mut place) = first else {
            filling.page.is_end = true;
            return Ok(filling.page);
        };
        loop {
            let step = match order {
                Order::OldestFirst => filling.forwards(place)?,
                Order::NewestFirst => filling.backwards(place)?,
            };
            match step {
                Step::Goto(next) if filling.read_bytes < PAGE_READ_BYTES_MAX => place = next,
                Step::Goto(next) | Step::Stop(next) => {
                    filling.page.next = Some(next);
                    return Ok(filling.page);
                }
            }
        }
    }
}

impl Filling<'_> {
    fn forwards(&mut self, place: Place) -> Result<Step, ReadError> {
        // Asked before the end of this file is seen: it is final then.
        let later = self.files.later(place.file)?;
        let Some(file) = self.files.open(place.file)? else {
            return Ok(self.goto(later, place));
        };
        if place.offset == 0 && later.is_some() && self.may_skip(place.file)? {
            return Ok(self.goto(later, place));
        }
        let mut at = place.offset;
        loop {
            match self.files.read_after(&file, place.file, at)? {
                Piece::Lines(block) => {
                    for (start, end, line) in block.lines() {
                        self.take(place.file, start, line);
                        if self.is_full() {
                            let (file, offset) = (place.file, end);
                            return Ok(Step::Stop(Place { file, offset }));
                        }
                    }
                    self.read_bytes += block.end() - at;
                    at = block.end();
                }
                Piece::Noise { start, end } => {
                    self.page.unreadable += 1;
                    self.read_bytes += end - start;
                    at = end;
                }
                Piece::End { torn } => {
                    self.page.unreadable += u64::from(torn > 0 && later.is_some());
                    let (file, offset) = (place.file, at);
                    return Ok(self.goto(later, Place { file, offset }));
                }
            }
            if self.read_bytes >= PAGE_READ_BYTES_MAX {
                let (file, offset) = (place.file, at);
                return Ok(Step::Stop(Place { file, offset }));
            }
        }
    }

    fn backwards(&mut self, place: Place) -> Result<Step, ReadError> {
        let earlier = self.files.earlier(place.file)?;
        let Some(file) = self.files.open(place.file)? else {
            return Ok(self.goto(earlier, place));
        };
        let is_whole = self.files.bytes(place.file)? == Some(place.offset);
        if is_whole && self.may_skip(place.file)? {
            return Ok(self.goto(earlier, place));
        }
        let mut at = place.offset;
        while at > 0 {
            match self.files.read_before(&file, place.file, at)? {
                Piece::Lines(block) => {
                    self.page.unreadable += u64::from(block.end() < at);
                    for (start, _, line) in block.lines().into_iter().rev() {
                        self.take(place.file, start, line);
                        if self.is_full() {
                            let (file, offset) = (place.file, start);
                            return Ok(Step::Stop(Place { file, offset }));
                        }
                    }
                    self.read_bytes += at - block.start;
                    at = block.start;
                }
                Piece::Noise { start, end } => {
                    self.page.unreadable += 1;
                    self.read_bytes += end - start;
                    at = start;
                }
                Piece::End { .. } => {
                    self.page.unreadable += 1;
                    at = 0;
                }
            }
            if self.read_bytes >= PAGE_READ_BYTES_MAX && at > 0 {
                let (file, offset) = (place.file, at);
                return Ok(Step::Stop(Place { file, offset }));
            }
        }
        let (file, offset) = (place.file, 0);
        Ok(self.goto(earlier, Place { file, offset }))
    }

    fn goto(&mut self, next: Option<Place>, here: Place) -> Step {
        self.page.is_end = next.is_none();
        next.map_or(Step::Stop(here), Step::Goto)
    }

    /// Whether nothing in a file can match, by what the header of the next file says of it.
    fn may_skip(&mut self, file: u64) -> Result<bool, ReadError> {
        let (from, until) = (self.filter.from, self.filter.until);
        if from.is_none() && until.is_none() {
            return Ok(false);
        }
        let header = self.files.header(file + 1)?;
        // It takes about as long.
        self.read_bytes += BLOCK_BYTES as u64;
        let Some(held) = header.and_then(|header| header.before) else {
            return Ok(false);
        };
        let is_earlier = from.is_some_and(|from| held.until < from);
        let is_later = until.is_some_and(|until| held.from >= until);
        Ok(is_earlier || is_later)
    }

    fn take(&mut self, file: u64, offset: u64, line: &[u8]) {
        let Some(linked) = link::check(line) else {
            self.page.unreadable += 1;
            return;
        };
        if is_header(line) {
            return;
        }
        let Some(record) = SealedRecord::read(line, linked) else {
            self.page.unreadable += 1;
            return;
        };
        match self.sealing.open(file, &record) {
            None => self.page.unopened += 1,
            Some(entry) if self.filter.matches(&entry) => {
                self.line_bytes += line.len();
                let place = Place { file, offset };
                self.page.found.push(Found { place, entry });
            }
            Some(_) => {}
        }
    }

    fn is_full(&self) -> bool {
        self.page.found.len() >= self.count || self.line_bytes >= PAGE_BYTES_MAX
    }
}

impl Filter {
    /// With texts as lines show them, and times to the microsecond.
    fn as_recorded(&self) -> Filter {
        let text = |text: &Option<String>, bytes_max| {
            let text = text.as_ref();
            text.map(|text| shown(text, bytes_max))
        };
        let up = |time: Time| Time(time.0.div_ceil(1000).saturating_mul(1000));
        Filter {
            from: self.from.map(up),
            until: self.until.map(up),
            caller: text(&self.caller, CALLER_BYTES_MAX),
            method: text(&self.method, METHOD_BYTES_MAX),
            resource: text(&self.resource, RESOURCE_BYTES_MAX),
            result: text(&self.result, ERROR_BYTES_MAX),
            request: self.request,
        }
    }

    fn matches(&self, entry: &Entry) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        let begins = |wanted: &Option<String>, found: &str| match wanted {
            None => true,
            Some(wanted) => match wanted.strip_suffix('*') {
                Some(beginning) => found.starts_with(beginning),
                None => wanted == found,
            },
        };
        self.from.is_none_or(|from| entry.time >= from)
            && self.until.is_none_or(|until| entry.time < until)
            && begins(&self.caller, &entry.caller)
            && same(&self.method, &entry.method)
            && begins(&self.resource, &entry.resource)
            && same(&self.result, &entry.result)
            && self.request.is_none_or(|request| entry.request == request)
    }
}
