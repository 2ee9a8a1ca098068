//! Tailing and searching, by pages, beside a node that records.

use std::fs::{self, OpenOptions};
use std::io::Write;

use proptest::prelude::{any, prop_assert_eq, proptest};
use strongroom_audit::{
    Entry, Filter, Found, Kind, Order, Outcome, PAGE_RECORDS_MAX, Reader, Record, Time, Trail,
    verify,
};
use tempfile::{TempDir, tempdir};

use crate::support::{
    DAY, NOW, all, files, flip, line_starts, open, reader, record, record_all, wait_until, written,
};

const METHODS: [&str; 3] = ["GetSecretValue", "PutSecretValue", "ListSecrets"];
const CALLERS: [&str; 4] = [
    "arn:a:user/alice",
    "arn:a:user/bob",
    "arn:b:role/ci",
    "CN=node-1",
];

/// Records of several days that differ in what can be searched for.
fn varied(trail: &Trail, count: u64) {
    let resources = ["secret:a", "secret:ab", "secret:b"];
    for at in 0..count {
        let pick = |of: u64| (at.wrapping_mul(0x9e37_79b9) >> 16) % of;
        let record = Record {
            time: Time(NOW.0 + at * DAY / 100),
            caller: CALLERS[pick(4) as usize],
            method: METHODS[pick(3) as usize],
            resource: resources[pick(7) as usize % 3],
            outcome: match pick(5) {
                0 => Outcome::Denied,
                1 => Outcome::Failed("ResourceNotFoundException"),
                _ => Outcome::Allowed,
            },
            ..record(at)
        };
        trail.record(&record).unwrap();
    }
}

fn varied_dir() -> TempDir {
    let temp = tempdir().unwrap();
    varied(&open(temp.path()), 700);
    assert!(files(temp.path()).len() > 6);
    temp
}

/// All pages of a search.
fn search(reader: &Reader, filter: &Filter, order: Order, count: usize) -> Vec<Found> {
    let (mut found, mut place) = (Vec::new(), None);
    loop {
        let mut page = reader.search(filter, order, place, count).unwrap();
        assert!(page.found.len() <= count);
        assert_eq!(page.unreadable, 0);
        found.append(&mut page.found);
        place = page.next;
        if page.is_end {
            return found;
        }
    }
}

fn matches(filter: &Filter, entry: &Entry) -> bool {
    let text = |wanted: &Option<String>, found: &str| match wanted.as_deref() {
        None => true,
        Some(wanted) => match wanted.strip_suffix('*') {
            Some(beginning) => found.starts_with(beginning),
            None => found == wanted,
        },
    };
    filter.from.is_none_or(|from| entry.time >= from)
        && filter.until.is_none_or(|until| entry.time < until)
        && text(&filter.caller, &entry.caller)
        && text(&filter.method, &entry.method)
        && text(&filter.resource, &entry.resource)
        && text(&filter.result, &entry.result)
        && filter
            .request
            .is_none_or(|request| entry.request == request)
}

#[test]
fn a_search_finds_what_a_look_at_every_record_does() {
    let dir = varied_dir();
    let (reader, everything) = (reader(dir.path()), all(dir.path()));
    assert_eq!(everything.len(), 700);
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        Filter::default(),
        Filter {
            method: text("ListSecrets"),
            ..Filter::default()
        },
        Filter {
            caller: text("arn:a:*"),
            result: text("denied"),
            ..Filter::default()
        },
        Filter {
            resource: text("secret:a"),
            ..Filter::default()
        },
        Filter {
            resource: text("secret:a*"),
            ..Filter::default()
        },
        Filter {
            result: text("ResourceNotFoundException"),
            ..Filter::default()
        },
        Filter {
            request: Some(everything[77].entry.request),
            ..Filter::default()
        },
        Filter {
            caller: text("nobody"),
            ..Filter::default()
        },
    ];
    for filter in filters {
        let wanted: Vec<_> = everything
            .iter()
            .filter(|f| matches(&filter, &f.entry))
            .collect();
        let found = search(&reader, &filter, Order::OldestFirst, 50);
        assert!(found.iter().eq(wanted.iter().copied()), "{filter:?}");
        let found = search(&reader, &filter, Order::NewestFirst, 50);
        assert!(found.iter().rev().eq(wanted), "{filter:?}");
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 40,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_search_by_time_finds_the_same_in_pages_of_any_size(
        from in 0..8 * DAY, span in 0..8 * DAY, count in 1..200usize, is_newest in any::<bool>(),
    ) {
        static DIR: std::sync::OnceLock<TempDir> = std::sync::OnceLock::new();
        let dir = DIR.get_or_init(varied_dir).path();
        let filter = Filter {
            from: Some(Time(NOW.0 + from)),
            until: Some(Time(NOW.0 + from + span)),
            ..Filter::default()
        };
        let order = if is_newest { Order::NewestFirst } else { Order::OldestFirst };
        let mut found = search(&reader(dir), &filter, order, count);
        if is_newest {
            found.reverse();
        }
        let wanted = all(dir).into_iter().filter(|f| {
            let time = f.entry.time.0;
            // Lines have whole microseconds.
            (NOW.0 + from).div_ceil(1000) * 1000 <= time && time < NOW.0 + from + span
        });
        prop_assert_eq!(found, wanted.collect::<Vec<_>>());
    }
}

#[test]
fn a_tail_follows_across_files_without_a_gap() {
    let temp = tempdir().unwrap();
    let trail = open(temp.path());
    record_all(&trail, 0..250);
    let reader = reader(temp.path());
    let page = reader.tail(120).unwrap();
    let seqs = |found: &[Found]| found.iter().map(|f| f.entry.seq).collect::<Vec<_>>();
    assert_eq!(seqs(&page.found), (131..=250).collect::<Vec<_>>());
    assert!(reader.follow(page.next).unwrap().found.is_empty());
    let (mut place, mut last) = (page.next, 250);
    std::thread::scope(|scope| {
        scope.spawn(|| record_all(&trail, 250..3000));
        while last < 3000 {
            let page = reader.follow(place).unwrap();
            for found in &page.found {
                assert_eq!(found.entry.seq, last + 1);
                last = found.entry.seq;
            }
            assert_eq!(page.unreadable, 0);
            place = page.next;
        }
    });
}

#[test]
fn verifying_beside_a_node_that_records_and_deletes_finds_no_break() {
    let temp = tempdir().unwrap();
    let few = strongroom_audit::Options {
        keep_bytes: 5 * strongroom_audit::FILE_BYTES_MIN,
        ..crate::support::options()
    };
    let trail = crate::support::open_with(temp.path(), few).unwrap();
    std::thread::scope(|scope| {
        let recording = scope.spawn(|| {
            record_all(&trail, 0..10_000);
        });
        while !recording.is_finished() {
            let verified = verify(temp.path()).unwrap();
            assert_eq!(verified.broken, None);
        }
    });
    wait_until(|| verify(temp.path()).unwrap().last == Some(10_000));
}

#[test]
fn a_torn_end_is_left_alone_until_it_is_whole() {
    let temp = tempdir().unwrap();
    written(temp.path(), 5);
    let (reader, path) = (reader(temp.path()), files(temp.path())[0].clone());
    let bytes = fs::read(&path).unwrap();
    let last = line_starts(&path)[5];
    fs::write(&path, &bytes[..last + 40]).unwrap();
    let page = reader.tail(10).unwrap();
    assert_eq!((page.found.len(), page.unreadable), (4, 0));
    let page = reader.follow(page.next).unwrap();
    assert_eq!((page.found.len(), page.unreadable), (0, 0));
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&bytes[last + 40..]).unwrap();
    let page = reader.follow(page.next).unwrap();
    assert_eq!((page.found.len(), page.found[0].entry.seq), (1, 5));
}

#[test]
fn a_damaged_line_is_left_out_and_counted() {
    let temp = tempdir().unwrap();
    written(temp.path(), 5);
    let path = files(temp.path())[0].clone();
    flip(&path, line_starts(&path)[2] + 30);
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let page = reader(temp.path());
        let page = page.search(&Filter::default(), order, None, 100).unwrap();
        assert_eq!((page.found.len(), page.unreadable), (4, 1));
    }
}

#[test]
fn a_page_is_bounded_whatever_is_asked_for() {
    let temp = tempdir().unwrap();
    written(temp.path(), PAGE_RECORDS_MAX as u64 + 100);
    let reader = reader(temp.path());
    let page = reader
        .search(&Filter::default(), Order::OldestFirst, None, usize::MAX)
        .unwrap();
    assert_eq!((page.found.len(), page.is_end), (PAGE_RECORDS_MAX, false));
    assert_eq!(
        reader.tail(usize::MAX).unwrap().found.len(),
        PAGE_RECORDS_MAX
    );
}

proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn no_content_of_the_files_makes_reading_or_opening_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..600),
        at in 0..60_000usize,
        file in any::<usize>(),
        place in any::<(u8, u64)>(),
    ) {
        let temp = tempdir().unwrap();
        written(temp.path(), 200);
        let paths = files(temp.path());
        let path = &paths[file % paths.len()];
        let mut bytes = fs::read(path).unwrap();
        let at = at.min(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        bytes.splice(at..end, noise);
        fs::write(path, bytes).unwrap();
        let reader = reader(temp.path());
        verify(temp.path()).unwrap();
        reader.tail(50).unwrap();
        let place = strongroom_audit::Place { file: place.0.into(), offset: place.1 };
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let _ = reader.search(&Filter::default(), order, Some(place), 50);
        }
        let trail = open(temp.path());
        trail.record(&Record { kind: Kind::Internal, ..record(1) }).unwrap();
    }
}
