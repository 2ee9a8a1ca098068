//! Machines of their own, each a network namespace, on one switch that this process is on too.
//!
//! A machine that is unplugged is silent: what is sent to it vanishes, and nobody is told. Needs
//! root and `ip`. Everything is removed when it is dropped, with whatever still runs there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::shell::run;

/// Machines, by numbers from 1 to 250.
pub struct Hosts {
    /// Begins the names of all interfaces and namespaces.
    name: String,
    subnet: [u8; 3],
    hosts: BTreeMap<u64, Ipv4Addr>,
    /// Whether what is for elsewhere goes by the machine with this number.
    has_gateway: bool,
}

/// The number of the machine by which what is for elsewhere goes, where there is one.
const GATEWAY: u8 = 253;

impl Hosts {
    /// A switch without machines.
    ///
    /// # Panics
    ///
    /// When `ip` refuses something.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = (std::process::id() << 3) + NEXT.fetch_add(1, Ordering::Relaxed);
        // A part of the private addresses that seldom is in use.
        let [_, _, high, low] = number.to_be_bytes();
        let hosts = Self {
            name: format!("sr{number:x}"),
            subnet: [10, 64 + high % 128, low],
            hosts: BTreeMap::new(),
            has_gateway: false,
        };
        let switch = &hosts.name;
        ip(&["link", "add", switch, "type", "bridge"]);
        let own = format!("{}/24", hosts.at(254));
        ip(&["address", "add", &own, "dev", switch]);
        ip(&["link", "set", switch, "up"]);
        hosts
    }

    /// Adds a machine.
    pub fn add(&mut self, host: u64) -> Ipv4Addr {
        let number = u8::try_from(host).unwrap();
        let (space, port) = (self.space(host), self.port(host));
        ip(&["netns", "add", &space]);
        ip(&["-n", &space, "link", "set", "lo", "up"]);
        self.plug(&space, &port, "eth0", number);
        self.control(host, "reno");
        if self.has_gateway {
            let gateway = self.at(GATEWAY).to_string();
            ip(&["-n", &space, "route", "add", "default", "via", &gateway]);
        }
        self.hosts.insert(host, self.at(number));
        self.at(number)
    }

    /// Connects a network namespace as the machine by which what is for elsewhere goes. Machines
    /// that are added later use it.
    pub fn add_gateway(&mut self, space: &str, interface: &str) {
        self.plug(space, &format!("{}g", self.name), interface, GATEWAY);
        self.has_gateway = true;
    }

    /// A cable from a port of the switch to an interface of a namespace.
    fn plug(&self, space: &str, port: &str, interface: &str, number: u8) {
        let link = ["link", "add", port, "type", "veth"];
        let peer = ["peer", "name", interface, "netns", space];
        ip(&[&link[..], &peer].concat());
        ip(&["link", "set", port, "master", &self.name, "up"]);
        let own = format!("{}/24", self.at(number));
        ip(&["-n", space, "address", "add", &own, "dev", interface]);
        ip(&["-n", space, "link", "set", interface, "up"]);
    }

    /// The first three octets of all addresses.
    pub fn subnet(&self) -> String {
        let [a, b, c] = self.subnet;
        format!("{a}.{b}.{c}")
    }

    /// A machine's address.
    pub fn address(&self, host: u64) -> Ipv4Addr {
        self.hosts[&host]
    }

    /// Makes a command run on a machine, as one process with the same id.
    pub fn on(&self, host: u64, command: &Command) -> Command {
        within(&self.space(host), command)
    }

    /// Chooses how a machine's new connections find out how much a road carries, if the kernel has
    /// that. Reno, which every kernel has, is what they do at first, whatever this machine does:
    /// BBR holds a stream back for a fifth of a second every 10 s or more, to measure the round
    /// trip.
    pub fn control(&self, host: u64, congestion: &str) {
        let line = "echo $0 2>/dev/null >/proc/sys/net/ipv4/tcp_congestion_control || true";
        let mut shell = Command::new("sh");
        shell.args(["-c", line, congestion]);
        run(&mut self.on(host, &shell), None).done();
    }

    /// Takes a machine off the switch without a word to anybody, or puts it back.
    pub fn unplug(&self, host: u64, is_unplugged: bool) {
        let state = if is_unplugged { "down" } else { "up" };
        ip(&["link", "set", &self.port(host), state]);
    }

    fn at(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, last)
    }

    fn space(&self, host: u64) -> String {
        format!("{}n{host}", self.name)
    }

    /// The machine's port at the switch.
    fn port(&self, host: u64) -> String {
        self.space(host)
    }
}

/// Makes a command run in a network namespace, as one process with the same id.
pub fn within(space: &str, command: &Command) -> Command {
    let mut there = Command::new("ip");
    there.args(["netns", "exec", space]);
    there.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => there.env(name, value),
            None => there.env_remove(name),
        };
    }
    there
}

impl Default for Hosts {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in self.hosts.keys() {
            // With the namespace its end of the cable goes, and so the other one.
            let _ = try_ip(&["netns", "delete", &self.space(*host)]);
            let _ = try_ip(&["link", "delete", &self.port(*host)]);
        }
        let _ = try_ip(&["link", "delete", &self.name]);
    }
}

/// Runs `ip`, which must do what it is told.
#[track_caller]
pub fn ip(arguments: &[&str]) {
    let said = try_ip(arguments);
    assert!(said.is_ok(), "ip {arguments:?}: {}", said.unwrap_err());
}

/// Runs `ip`, and gives what it complains of.
pub fn try_ip(arguments: &[&str]) -> Result<(), String> {
    let run = Command::new("ip").args(arguments).output();
    let output = run.map_err(|error| format!("{error}: install iproute2"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}
