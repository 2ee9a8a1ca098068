//! Clients: each writes and reads secrets through any node, and notes what it was answered.

use std::sync::Arc;
use std::time::Duration;

use consensus::{Committed, Consensus, Proposal, Unavailable};
use machine::{Command, PutSecretValue, Rejection, Seen, Uid};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::call::Call;
use crate::history::{Kind, Operation, Violation, violation};
use crate::host::Host;
use crate::invariants::{labels, linearizable};
use crate::region;
use crate::vault::Vault;

/// How often one write is sent, at most, while nobody knows what became of it.
const TRIES_MAX: u32 = 3;

pub struct Clients {
    pub history: Vec<Operation>,
    clients: Vec<Client>,
    secrets: Vec<Uid>,
    vault: Arc<Vault>,
    rng: StdRng,
    stopped: bool,
    /// Grows with each question and answer.
    moment: u64,
    writes: u64,
}

struct Client {
    busy: Option<Busy>,
    idle_until: Duration,
}

struct Busy {
    operation: usize,
    tries: u32,
    answer: Answer,
}

enum Answer {
    Write(Call<Result<Committed, Unavailable>>),
    Read(Call<Result<u64, ReadFailed>>),
}

/// Why a read gave no number.
enum ReadFailed {
    Unavailable,
    Broken(Violation),
}

impl Clients {
    pub fn new(count: usize, secrets: Vec<Uid>, vault: Arc<Vault>, rng: StdRng) -> Clients {
        let client = || Client {
            busy: None,
            idle_until: Duration::ZERO,
        };
        Clients {
            history: Vec::new(),
            clients: std::iter::repeat_with(client).take(count).collect(),
            secrets,
            vault,
            rng,
            stopped: false,
            moment: 0,
            writes: 0,
        }
    }

    /// Takes what was answered, and asks anew.
    pub fn step(&mut self, now: Duration, hosts: &[Host]) -> Result<(), Violation> {
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            if let Some(busy) = client.busy.take() {
                self.clients[at].busy = self.take(busy, hosts)?;
                if self.clients[at].busy.is_none() {
                    let idle = self.rng.random_range(0..60);
                    self.clients[at].idle_until = now + Duration::from_millis(idle);
                }
            } else if client.idle_until <= now && !self.stopped {
                self.clients[at].busy = self.ask(hosts);
            }
        }
        Ok(())
    }

    /// No client asks anything new.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    pub fn is_busy(&self) -> bool {
        self.clients.iter().any(|client| client.busy.is_some())
    }

    pub fn secrets(&self) -> &[Uid] {
        &self.secrets
    }

    /// Answered operations so far.
    pub fn answered(&self) -> usize {
        let answered = self.history.iter().filter(|one| one.answered.is_some());
        answered.count()
    }

    fn ask(&mut self, hosts: &[Host]) -> Option<Busy> {
        let host = self.any(hosts)?;
        let secret = self.rng.random_range(0..self.secrets.len());
        let writes = self.rng.random_ratio(2, 5);
        let (kind, answer) = if writes {
            let number = self.writes + 1;
            let answer = self.write(host, secret, number)?;
            self.writes = number;
            (Kind::Write(number), answer)
        } else {
            (Kind::Read(0), self.read(host, secret)?)
        };
        self.moment += 1;
        self.history.push(Operation {
            secret,
            kind,
            asked: self.moment,
            answered: None,
            node: host.id,
        });
        Some(Busy {
            operation: self.history.len() - 1,
            tries: 1,
            answer,
        })
    }

    fn any<'a>(&mut self, hosts: &'a [Host]) -> Option<&'a Host> {
        let up: Vec<&Host> = hosts.iter().filter(|host| host.is_up()).collect();
        if up.is_empty() {
            return None;
        }
        Some(up[self.rng.random_range(0..up.len())])
    }

    fn patience(&mut self) -> Duration {
        Duration::from_millis(self.rng.random_range(200..2_000))
    }

    fn write(&mut self, host: &Host, secret: usize, number: u64) -> Option<Answer> {
        let patience = self.patience();
        let uid = self.secrets[secret];
        let command = Command::PutSecretValue(PutSecretValue {
            uid,
            new: self.vault.seal(uid, number),
            labels: Vec::new(),
            young_protection_ms: u64::MAX,
            seen: Seen::default(),
        });
        let call = host.call(move |consensus| async move {
            let proposal = Proposal {
                command,
                audit: region::audit(),
                deadline: Instant::now() + patience,
            };
            consensus.propose(proposal).await
        });
        call.map(Answer::Write)
    }

    fn read(&mut self, host: &Host, secret: usize) -> Option<Answer> {
        let patience = self.patience();
        let (uid, vault) = (self.secrets[secret], Arc::clone(&self.vault));
        let call = host.call(move |consensus| read(consensus, uid, vault, patience));
        call.map(Answer::Read)
    }

    /// What became of a question; what is still open is given back.
    fn take(&mut self, busy: Busy, hosts: &[Host]) -> Result<Option<Busy>, Violation> {
        let operation = busy.operation;
        match &busy.answer {
            Answer::Read(call) => match call.answer() {
                Some(Ok(number)) => {
                    self.history[operation].kind = Kind::Read(number);
                    self.answer(operation);
                }
                Some(Err(ReadFailed::Broken(violation))) => return Err(violation),
                None if !call.is_lost() => return Ok(Some(busy)),
                // A read without an answer says nothing.
                Some(Err(ReadFailed::Unavailable)) | None => self.forget(operation),
            },
            Answer::Write(call) => match call.answer() {
                Some(Ok(committed)) => self.committed(operation, committed)?,
                None if !call.is_lost() => return Ok(Some(busy)),
                Some(Err(_)) | None => return Ok(self.again(&busy, hosts)),
            },
        }
        Ok(None)
    }

    fn committed(&mut self, operation: usize, committed: Committed) -> Result<(), Violation> {
        match committed.answer {
            // A retry of our own: the version is there (R11).
            Ok(_) | Err(Rejection::VersionExists { .. }) => self.answer(operation),
            Err(Rejection::VersionLimit) => {}
            Err(rejection) => {
                let how = format!("a write was rejected: {rejection}");
                return Err(violation("a valid write is accepted", how));
            }
        }
        Ok(())
    }

    /// Sends the same write again, if the client has the patience; it may take effect twice, but
    /// its version exists only once.
    fn again(&mut self, busy: &Busy, hosts: &[Host]) -> Option<Busy> {
        let Operation { secret, kind, .. } = self.history[busy.operation];
        let Kind::Write(number) = kind else {
            return None;
        };
        if busy.tries >= TRIES_MAX || self.rng.random_ratio(1, 3) {
            return None;
        }
        let host = self.any(hosts)?;
        Some(Busy {
            operation: busy.operation,
            tries: busy.tries + 1,
            answer: self.write(host, secret, number)?,
        })
    }

    /// Takes a read out of every secret's history.
    fn forget(&mut self, operation: usize) {
        self.history[operation].secret = usize::MAX;
    }

    fn answer(&mut self, operation: usize) {
        self.moment += 1;
        self.history[operation].answered = Some(self.moment);
    }
}

async fn read(
    consensus: Consensus,
    uid: Uid,
    vault: Arc<Vault>,
    patience: Duration,
) -> Result<u64, ReadFailed> {
    let view = consensus.read(Instant::now() + patience).await;
    let view = view.map_err(|_unavailable| ReadFailed::Unavailable)?;
    let secret = view.secret(&uid);
    let secret = secret.ok_or_else(|| {
        let how = "a read found no secret, which was there before all reads";
        ReadFailed::Broken(violation(linearizable::NAME, how))
    })?;
    labels::check(secret).map_err(ReadFailed::Broken)?;
    let opened = vault.open(&view, uid);
    opened.map_err(|how| ReadFailed::Broken(violation("a value opens", how)))
}

/// Versions of each secret in a view, oldest first.
pub fn order(view: &consensus::View, secrets: &[Uid]) -> Vec<Vec<u64>> {
    let versions = |uid| {
        let secret = view.secret(uid).expect("a secret that stays");
        let numbers = secret.versions.iter();
        numbers
            .map(|version| crate::vault::number(&version.id))
            .collect()
    };
    secrets.iter().map(versions).collect()
}
