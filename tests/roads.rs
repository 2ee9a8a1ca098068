//! Roads between sites: the switches of several [`Hosts`], joined by a router that makes packets
//! late, loses some, or holds them all, by direction.
//!
//! The router is a network namespace of its own. What goes from one site to another passes a device
//! that `router.c` reads and writes. Needs root, `ip` and `/dev/net/tun`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::hosts::{self, Hosts, ip, try_ip};
use crate::process::Process;
use crate::shell::{run, until};

/// Sites at most, as in `router.c`.
const SITES: usize = 8;
/// Numbers of one direction.
const ORDERS: usize = 4;
/// The device.
const DEVICE: &str = "road";
/// The routing table of what goes to another site.
const TABLE: &str = "100";

/// What can be ordered of a direction. In the order of `struct way` in `router.c`.
#[derive(Clone, Copy)]
enum Way {
    DelayMicros,
    LossMillionths,
    Cut,
    Bytes,
}

/// The router. It goes with all its roads when it is dropped.
pub struct Roads {
    folder: PathBuf,
    space: String,
    orders: File,
    process: Option<Process>,
}

impl Roads {
    /// Joins sites, which have no machines yet. They are numbered in this order, from 0.
    pub fn between(folder: &Path, seed: u64, sites: &mut [Hosts]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        build(folder);
        let path = folder.join("roads.orders");
        std::fs::write(&path, vec![0; SITES * SITES * ORDERS * size_of::<i64>()]).unwrap();
        let mut roads = Self {
            folder: folder.into(),
            space: format!("r{}", sites[0].subnet()),
            orders: File::options().read(true).write(true).open(&path).unwrap(),
            process: None,
        };
        let space = roads.space.clone();
        ip(&["netns", "add", &space]);
        ip(&["-n", &space, "link", "set", "lo", "up"]);
        for (at, site) in sites.iter_mut().enumerate() {
            site.add_gateway(&space, &format!("site{at}"));
        }
        roads.open(&path, seed, sites);
        roads
    }

    /// Starts the program, and routes through it what comes of one site and is for another.
    fn open(&mut self, orders: &Path, seed: u64, sites: &[Hosts]) {
        let path = orders.display().to_string();
        let mut shape = Command::new(self.folder.join("router"));
        shape.args(["shape", DEVICE, &path, &seed.to_string()]);
        shape.args(sites.iter().map(Hosts::subnet));
        let output = self.folder.join("router.out");
        let command = &mut hosts::within(&self.space, &shape);
        let process = Process::start(command, &output, &self.folder.join("router.log"));
        self.process = Some(process);
        wait_for_ready(&output);
        let within = ["-n", &self.space];
        let does = |arguments: &[&str]| ip(&[&within[..], arguments].concat());
        does(&["link", "set", DEVICE, "up", "txqueuelen", "10000"]);
        does(&["rule", "add", "pref", "1", "iif", DEVICE, "lookup", "main"]);
        for at in 0..sites.len() {
            let interface = format!("site{at}");
            let rule = ["rule", "add", "pref", "2", "iif", &interface];
            does(&[&rule[..], &["lookup", TABLE]].concat());
        }
        does(&["route", "add", "default", "dev", DEVICE, "table", TABLE]);
        // Packets come back by the device, which is not the way to whoever sent them.
        for setting in ["ip_forward", "conf/all/rp_filter", "conf/default/rp_filter"] {
            let value = u8::from(setting == "ip_forward");
            self.set(setting, value);
        }
        self.set(&format!("conf/{DEVICE}/rp_filter"), 0);
    }

    fn set(&self, setting: &str, value: u8) {
        let line = format!("echo {value} > /proc/sys/net/ipv4/{setting}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]);
        run(&mut hosts::within(&self.space, &shell), None).done();
    }

    /// Makes all packets late from one site to another.
    pub fn delay(&self, from: usize, to: usize, delay: Duration) {
        let micros = i64::try_from(delay.as_micros()).unwrap();
        self.order(from, to, Way::DelayMicros, micros);
    }

    /// Loses so many of a million packets from one site to another.
    pub fn lose(&self, from: usize, to: usize, millionths: u32) {
        self.order(from, to, Way::LossMillionths, i64::from(millionths));
    }

    /// Loses all packets from one site to another, those under way too, or none any more.
    pub fn cut(&self, from: usize, to: usize, is_cut: bool) {
        self.order(from, to, Way::Cut, i64::from(is_cut));
    }

    /// The bytes that went from one site to another so far, with their headers.
    pub fn crossed(&self, from: usize, to: usize) -> u64 {
        let mut bytes = [0; size_of::<i64>()];
        let place = place(from, to, Way::Bytes);
        self.orders.read_exact_at(&mut bytes, place).unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// Round trips of one byte on a connection between machines of two sites.
    pub fn round_trips(&self, from: (&Hosts, u64), to: (&Hosts, u64), count: u32) -> Vec<Duration> {
        let address = to.0.address(to.1).to_string();
        let program = |arguments: &[&str]| {
            let mut program = Command::new(self.folder.join("router"));
            program.args(arguments);
            program
        };
        let (output, port) = (self.folder.join("echo.out"), "7");
        // What an earlier one said would be taken for this one's.
        let _ = std::fs::remove_file(&output);
        let mut echo = to.0.on(to.1, &program(&["echo", &address, port]));
        let _echo = Process::start(&mut echo, &output, &self.folder.join("echo.log"));
        wait_for_ready(&output);
        let ping = program(&["ping", &address, port, &count.to_string()]);
        let said = run(&mut from.0.on(from.1, &ping), None).done().output;
        let micros = said.lines().map(|line| line.parse().unwrap());
        micros.map(Duration::from_micros).collect()
    }

    fn order(&self, from: usize, to: usize, what: Way, value: i64) {
        let place = place(from, to, what);
        self.orders
            .write_all_at(&value.to_ne_bytes(), place)
            .unwrap();
    }
}

impl Drop for Roads {
    fn drop(&mut self) {
        drop(self.process.take());
        let _ = try_ip(&["netns", "delete", &self.space]);
    }
}

fn place(from: usize, to: usize, what: Way) -> u64 {
    let number = (from * SITES + to) * ORDERS + what as usize;
    (number * size_of::<i64>()) as u64
}

fn wait_for_ready(output: &Path) {
    until("the router is ready", || {
        let said = std::fs::read_to_string(output).unwrap_or_default();
        said.contains("ready").then_some(())
    });
}

/// Builds the program; a C compiler is there wherever Rust links.
fn build(folder: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("router.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-Wall", "-Werror", "-o"]);
    compiler
        .arg(folder.join("router"))
        .arg(source)
        .arg("-lpthread");
    assert!(
        compiler.status().unwrap().success(),
        "router.c does not compile"
    );
}
