//! Scripts that run on one node: found a region, admit a node, remove one, create a secret.

use std::time::Duration;

use consensus::{Consensus, Proposal};
use machine::{
    AdmitNode, ArnSuffix, Command, CreateSecret, Hash, IssueJoinToken, NodeId, SecretName, Seen,
    Stamp, Uid,
};
use tokio::time::Instant;

use crate::region;

/// How long one step of a script may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

pub async fn found(consensus: Consensus) -> Result<(), String> {
    let founded = consensus
        .found(region::found(), region::audit(), soon())
        .await;
    let founded = founded.map_err(|error| error.to_string())?;
    founded.answer.map_err(|error| error.to_string())?;
    Ok(())
}

/// Admits a node and gives it a vote.
pub async fn grow(consensus: Consensus, node: u64) -> Result<(), String> {
    let digest = Hash(region::public_key(node));
    let member = region::member(node);
    let token = Command::IssueJoinToken(IssueJoinToken {
        digest,
        expires: Stamp(u64::MAX),
    });
    let admit = Command::AdmitNode(AdmitNode {
        token_digest: digest,
        node: member.clone(),
    });
    for command in [token, admit] {
        propose(&consensus, command).await?;
    }
    let added = consensus.add_learner(&member, soon()).await;
    added.map_err(|error| error.to_string())?;
    let late = soon();
    loop {
        match consensus.promote(NodeId(node), soon()).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= late => return Err(error.to_string()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

pub async fn shrink(consensus: Consensus, node: u64) -> Result<(), String> {
    let removed = consensus
        .remove(NodeId(node), region::audit(), soon())
        .await;
    removed.map_err(|error| error.to_string())
}

pub async fn transfer(consensus: Consensus, to: u64) -> Result<(), String> {
    let transferred = consensus.transfer_leader(Some(NodeId(to)), soon()).await;
    transferred.map_err(|error| error.to_string())
}

pub async fn create(consensus: Consensus, uid: Uid, number: u64) -> Result<(), String> {
    let command = Command::CreateSecret(CreateSecret {
        uid,
        account: region::account(),
        name: SecretName::new(&format!("secret/{number}")).expect("a name"),
        arn_suffix: ArnSuffix::new("AbC123").expect("a suffix"),
        description: String::new(),
        kms_key: None,
        tags: Vec::new(),
        new: None,
        region: None,
        replicas: Vec::new(),
        seen: Seen::default(),
    });
    propose(&consensus, command).await
}

/// Creates a secret as a caller would who does not give up: a leader may just be handing over, and
/// what became of the write is then unknown until it is sent again.
pub async fn create_at_last(consensus: Consensus, uid: Uid, number: u64) -> Result<(), String> {
    let late = soon();
    loop {
        let created = create(consensus.clone(), uid, number).await;
        if created.is_ok() || consensus.local_view().secret(&uid).is_some() {
            return Ok(());
        }
        if Instant::now() >= late {
            return created;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn propose(consensus: &Consensus, command: Command) -> Result<(), String> {
    let proposal = Proposal {
        command,
        audit: region::audit(),
        deadline: soon(),
    };
    let committed = consensus.propose(proposal).await;
    let committed = committed.map_err(|error| error.to_string())?;
    committed.answer.map_err(|error| error.to_string())?;
    Ok(())
}
