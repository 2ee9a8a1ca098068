//! The audit trail: what it holds, how long it takes, whether there is room.

use audit::{Held, Room};
use prometheus::{Counter, IntCounter, IntGauge, Registry};

/// What the audit trail says when the metrics are asked for.
#[derive(Clone)]
pub struct AuditMetrics {
    records: IntCounter,
    bytes: IntGauge,
    unsynced: IntGauge,
    syncs: IntCounter,
    sync_seconds: Counter,
    room: IntGauge,
}

impl AuditMetrics {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let sync_seconds = Counter::new(
            "strongroom_audit_sync_seconds_total",
            "time that syncs of audit records took",
        )?;
        registry.register(Box::new(sync_seconds.clone()))?;
        Ok(Self {
            records: counter(
                "strongroom_audit_records_total",
                "audit records of this node since its first",
            )?,
            bytes: gauge("strongroom_audit_bytes", "size of the audit files kept")?,
            unsynced: gauge(
                "strongroom_audit_records_unsynced",
                "audit records that are not durable yet",
            )?,
            syncs: counter("strongroom_audit_syncs_total", "syncs of audit records")?,
            sync_seconds,
            room: gauge(
                "strongroom_audit_room",
                "room for audit records: 2 enough, 1 short, 0 full",
            )?,
        })
    }

    /// Takes over what the trail has by now.
    pub fn advance(&self, held: &Held, room: Room) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let raise = |counter: &IntCounter, to: u64| {
            counter.inc_by(to.saturating_sub(counter.get()));
        };
        raise(&self.records, held.records);
        raise(&self.syncs, held.syncs);
        let more = held.sync_time.as_secs_f64() - self.sync_seconds.get();
        self.sync_seconds.inc_by(more.max(0.0));
        self.bytes.set(whole(held.bytes));
        self.unsynced.set(whole(held.unsynced));
        self.room.set(match room {
            Room::Enough => 2,
            Room::Short => 1,
            Room::Full => 0,
        });
    }
}
