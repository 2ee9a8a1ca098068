//! A change, from its grounds to its outcome.

use consensus::Committed;
use machine::{Command, Entity, Outcome, Token};

use super::Identities;
use super::basis::{Basis, On, refused};
use crate::authz::{Asked, Grants};
use crate::door::Call;
use crate::errors::Refusal;
use crate::secrets::ask::{Answer, Reading};

/// A change that is asked for.
pub(super) struct Write {
    asked: Asked,
    on: On,
    command: Command,
}

/// What became of it.
pub(super) struct Done {
    pub(super) entity: Option<Entity>,
    pub(super) index: machine::LogIndex,
    position: Token,
}

impl Basis {
    /// Grants a change, if its caller may make it. What the command says it has seen is set here.
    pub(super) fn grant(
        &self,
        asked: Asked,
        on: On,
        mut command: Command,
    ) -> Result<Write, Refusal> {
        command.set_seen(self.permit(&asked, &on)?);
        Ok(Write { asked, on, command })
    }
}

impl Identities {
    /// Makes a change. If its grounds have moved by the time it is decided it is granted again, or
    /// refused (R9).
    pub(super) async fn change(
        &self,
        call: &Call,
        reading: &Reading,
        mut write: Write,
    ) -> Result<Done, Refusal> {
        let mut grants = Grants::default();
        loop {
            let committed = self.fence.propose(call, write.command.clone()).await?;
            if !grants.again(&committed) {
                return self.done(committed);
            }
            let view = self.view_to_change(call, reading).await?;
            write
                .command
                .set_seen(view.permit(&write.asked, &write.on)?);
        }
    }

    fn done(&self, committed: Committed) -> Result<Done, Refusal> {
        let answer = committed
            .answer
            .map_err(|rejection| refused(&self.consensus.local_view(), &rejection))?;
        let entity = match answer {
            Outcome::Entity(entity) => Some(entity),
            Outcome::None => None,
            _ => {
                tracing::error!("a command on identities answered with something else");
                return Err(Refusal::internal());
            }
        };
        Ok(Done {
            entity,
            index: committed.index,
            position: Token {
                positions: committed.positions,
            },
        })
    }
}

impl Done {
    /// The answer to the call.
    pub(super) fn answer<T>(self, message: T) -> Answer<T> {
        Answer {
            message,
            position: self.position,
            age: None,
            staleness: None,
        }
    }
}
