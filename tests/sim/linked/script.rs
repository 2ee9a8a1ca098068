//! Scripts that run on one node: found a region, admit a node, link a region, promote, hand over.

use std::time::Duration;

use consensus::Proposal;
use machine::{
    AdmitNode, Command, FeedId, Hash, ImportChanges, Introduction, IssueJoinToken, IssueLinkToken,
    LinkRegion, NodeId, Outcome, Revision, Scope, Stamp, TrimFeed,
};
use replication::PromoteReport;
use tokio::time::Instant;

use crate::region;
use crate::service::Node;

/// How long one step of a script may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

pub async fn found(node: Node, introduction: Option<Introduction>) -> Result<(), String> {
    let found = region::found(node.region, introduction);
    let founded = node.consensus.found(found, region::audit(), soon()).await;
    let founded = founded.map_err(|error| error.to_string())?;
    founded.answer.map_err(|error| error.to_string())?;
    Ok(())
}

/// Admits a node and gives it a vote.
pub async fn grow(node: Node, host: u64) -> Result<(), String> {
    let digest = Hash(region::public_key(host));
    let member = region::node(host);
    let token = Command::IssueJoinToken(IssueJoinToken {
        digest,
        expires: Stamp(u64::MAX),
    });
    let admit = Command::AdmitNode(AdmitNode {
        token_digest: digest,
        node: member.clone(),
    });
    for command in [token, admit] {
        propose(&node, command).await?;
    }
    let added = node.consensus.add_learner(&member, soon()).await;
    added.map_err(|error| error.to_string())?;
    let late = soon();
    loop {
        match node.consensus.promote(NodeId(host), soon()).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= late => return Err(error.to_string()),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Puts a region that presents itself with a token into the directory; gives what it is told.
pub async fn link(node: Node, region: u64, scope: Scope) -> Result<Introduction, String> {
    let digest = Hash([u8::try_from(region).expect("a small number"); 32]);
    let token = Command::IssueLinkToken(IssueLinkToken {
        digest,
        expires: Stamp(u64::MAX),
        region: region::name(region),
        scope,
    });
    let link = Command::LinkRegion(LinkRegion {
        token_digest: digest,
        region: region::entry(region, scope),
    });
    for command in [token, link] {
        propose(&node, command).await?;
    }
    let view = node.consensus.read(soon()).await;
    let view = view.map_err(|error| error.to_string())?;
    Ok(Introduction {
        regions: view.regions().cloned().collect(),
        home_exists: false,
    })
}

pub async fn transfer(node: Node, to: u64) -> Result<(), String> {
    let transferred = node.consensus.transfer_leader(Some(NodeId(to)), soon());
    transferred.await.map_err(|error| error.to_string())
}

/// Takes over the feeds of a region.
pub async fn promote(node: Node, over: u64, force: bool) -> Result<PromoteReport, String> {
    let lost = region::name(over);
    let deadline = Instant::now() + Duration::from_secs(2);
    let promoted = node
        .replication
        .promote(&lost, force, region::audit(), deadline);
    promoted.await.map_err(|error| error.to_string())
}

/// Forgets the oldest changes of a feed, so that who is behind needs a snapshot.
pub async fn trim(node: Node, feed: FeedId, upto: Revision) -> Result<(), String> {
    propose(&node, Command::TrimFeed(TrimFeed { feed, upto })).await?;
    Ok(())
}

/// Takes changes of another region in, if they belong where its feed stands.
pub async fn import(node: Node, import: ImportChanges) -> Result<(), String> {
    propose(&node, Command::ImportChanges(import)).await?;
    Ok(())
}

async fn propose(node: &Node, command: Command) -> Result<Outcome, String> {
    let proposal = Proposal {
        command,
        audit: region::audit(),
        deadline: soon(),
    };
    let committed = node.consensus.propose(proposal).await;
    let committed = committed.map_err(|error| error.to_string())?;
    committed.answer.map_err(|error| error.to_string())
}
