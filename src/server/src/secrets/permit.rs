//! What a caller may do with a secret is decided where the secret is found: no handler has one that
//! its caller may not have.

use std::sync::Arc;

use consensus::Committed;
use machine::{
    AccountId, Arn, ArnSuffix, Command, RegionName, Secret, SecretId, SecretName, Seen, Uid,
};

use super::Secrets;
use super::ask::Reading;
use super::basis::{About, Basis};
use crate::authz::{Asked, Grants, Target};
use crate::door::Call;
use crate::errors::Refusal;

/// A secret that may be changed.
pub(super) struct Granted<'a> {
    /// The secret.
    pub(super) secret: &'a Arc<Secret>,
    /// On which grounds.
    pub(super) grant: Grant,
}

/// The grounds on which a write may be made. If they have moved by the time it is decided, they are
/// looked at again.
pub(super) struct Grant {
    asked: Asked,
    of: Of,
    seen: Seen,
}

/// What a write is about.
enum Of {
    /// A secret that is there.
    Secret(Uid),
    /// One that is to be made, by its ARN, in an account.
    New(String, AccountId),
}

/// Which secrets a list shows: all of the account to who may list all, to others those on which
/// they may.
pub(super) struct Sees<'a> {
    basis: &'a Basis,
    asked: Asked,
    all: Result<(), Refusal>,
}

impl Sees<'_> {
    /// Whether it shows this one.
    pub(super) fn shows(&self, secret: &Secret) -> bool {
        self.all.is_ok() || self.basis.allows(&self.asked, secret)
    }

    /// Refuses a list that would be empty because its caller may see nothing.
    pub(super) fn something(self) -> Result<(), Refusal> {
        self.all
    }
}

/// A write, as it is granted.
pub(super) struct Write {
    /// The region whose request it is.
    pub(super) region: RegionName,
    /// On which grounds.
    pub(super) grant: Grant,
    /// What is to be changed.
    pub(super) command: Command,
}

impl Secrets {
    /// Proposes a write. If its grounds have moved by the time it is decided it is granted again,
    /// or refused (R9).
    pub(super) async fn propose(
        &self,
        call: &Call,
        reading: &Reading,
        mut write: Write,
    ) -> Result<(Committed, RegionName), Refusal> {
        let mut grants = Grants::default();
        loop {
            let committed = self.fence.propose(call, write.command.clone()).await?;
            if !grants.again(&committed) {
                return Ok((committed, write.region));
            }
            let view = self.view(call, reading, About::Change).await?;
            write.grant = view.again(write.grant)?;
            write.command.set_seen(write.grant.seen());
        }
    }
}

impl Grant {
    /// What the write has to find as it is now.
    pub(super) fn seen(&self) -> Seen {
        self.seen.clone()
    }
}

impl Basis {
    /// Finds the secret a caller names and may do this with.
    pub(super) fn find(&self, asked: &Asked, id: &SecretId) -> Result<&Arc<Secret>, Refusal> {
        let (secret, _) = self.granted(asked, id)?;
        Ok(secret)
    }

    /// Finds one that is not scheduled for deletion.
    pub(super) fn find_live(&self, asked: &Asked, id: &SecretId) -> Result<&Arc<Secret>, Refusal> {
        self.live(self.find(asked, id)?)
    }

    /// Finds one that is to be changed, which the region that leads it does.
    pub(super) fn find_led(&self, asked: Asked, id: &SecretId) -> Result<Granted<'_>, Refusal> {
        let (secret, seen) = self.granted(&asked, id)?;
        self.led(secret)?;
        let of = Of::Secret(secret.uid);
        let grant = Grant { asked, of, seen };
        Ok(Granted { secret, grant })
    }

    /// Finds one that is to be changed and is not scheduled for deletion.
    pub(super) fn find_live_led(
        &self,
        asked: Asked,
        id: &SecretId,
    ) -> Result<Granted<'_>, Refusal> {
        let granted = self.find_led(asked, id)?;
        self.live(granted.secret)?;
        Ok(granted)
    }

    /// Finds a copy that is to become a secret of its own.
    pub(super) fn find_live_copy(
        &self,
        asked: Asked,
        id: &SecretId,
    ) -> Result<Granted<'_>, Refusal> {
        let (secret, seen) = self.granted(&asked, id)?;
        self.live(secret)?;
        let of = Of::Secret(secret.uid);
        let grant = Grant { asked, of, seen };
        Ok(Granted { secret, grant })
    }

    /// Says whether a secret may be made.
    pub(super) fn may_make(
        &self,
        asked: Asked,
        name: &SecretName,
        suffix: &ArnSuffix,
    ) -> Result<Grant, Refusal> {
        let account = self.who.account().clone();
        let arn = Arn {
            region: self.region.clone(),
            account: account.clone(),
            name: name.clone(),
            suffix: suffix.clone(),
        };
        let arn = arn.to_string();
        let seen = self.permit(&asked, Target::Named(&arn, &account))?;
        let of = Of::New(arn, account);
        Ok(Grant { asked, of, seen })
    }

    /// Says whether something may be done that is about no secret, or about all.
    pub(super) fn may(&self, asked: &Asked) -> Result<(), Refusal> {
        self.permit(asked, Target::All).map(drop)
    }

    /// Says whether something may be done with a secret that was found otherwise.
    pub(super) fn may_with(&self, asked: &Asked, secret: &Secret) -> Result<Seen, Refusal> {
        self.permit(asked, Target::Secret(secret, &self.arn(secret)))
    }

    /// The same of one of many, of which not each is noted.
    fn allows(&self, asked: &Asked, secret: &Secret) -> bool {
        let arn = self.arn(secret);
        let target = Target::Secret(secret, &arn);
        let (view, who) = (&self.view, &self.who);
        self.authz.allows(view, who, asked, &self.around, target)
    }

    /// Which secrets a list shows (R35).
    pub(super) fn sees(&self) -> Sees<'_> {
        let asked = Asked::of("secretsmanager:ListSecrets");
        let all = self.may(&asked);
        Sees {
            basis: self,
            asked,
            all,
        }
    }

    /// Grants again what was granted from an older view.
    pub(super) fn again(&self, grant: Grant) -> Result<Grant, Refusal> {
        let seen = match &grant.of {
            Of::Secret(uid) => {
                let secret = self.view.secret(uid).ok_or_else(Refusal::no_secret)?;
                self.may_with(&grant.asked, secret)?
            }
            Of::New(arn, account) => self.permit(&grant.asked, Target::Named(arn, account))?,
        };
        Ok(Grant { seen, ..grant })
    }

    fn granted(&self, asked: &Asked, id: &SecretId) -> Result<(&Arc<Secret>, Seen), Refusal> {
        match self.lookup(id) {
            Ok(secret) => Ok((secret, self.may_with(asked, secret)?)),
            // Who may not read it is not told whether it is there.
            Err(missing) => {
                let (arn, account) = self.missing_arn(id);
                self.permit(asked, Target::Named(&arn, account))?;
                Err(missing)
            }
        }
    }

    fn permit(&self, asked: &Asked, target: Target<'_>) -> Result<Seen, Refusal> {
        let seen = self
            .authz
            .permit(&self.view, &self.who, asked, &self.around, target);
        seen.map(Seen).map_err(|refusal| self.refuse(refusal))
    }

    /// The ARN that a secret would have which is not there, and its account. What ends the ARN is
    /// not known where a name is given: no pattern for the end matches but one for all.
    fn missing_arn<'a>(&'a self, id: &'a SecretId) -> (String, &'a AccountId) {
        match id {
            SecretId::Name(name) => {
                let (region, account) = (&self.region, self.who.account());
                let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-??????");
                (arn, account)
            }
            SecretId::Arn(arn) => (arn.to_string(), &arn.account),
        }
    }
}
