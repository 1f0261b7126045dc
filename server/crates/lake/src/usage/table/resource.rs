//! Rows of volume hours and of load balancer hours: the thing itself, and one
//! pod that mounted it or one backend behind it.

use super::{
    Backend, BackendHour, BadCell, Balancer, BalancerHour, Fact, HOUR_S, Hour, MOST_VOLUME_MIB, Mount, MountHour,
    Named, Table, Volume, VolumeHour, labels, labels_of, some_instant,
};

pub(super) const VOLUME_TEXTS: [Named; 16] = [
    ("cluster", true),
    ("volume_id", true),
    ("namespace", true),
    ("claim", true),
    ("claim_uid", false),
    ("name", false),
    ("storage_class", false),
    ("labels", false),
    ("provisioned", false),
    ("claim_deleted", false),
    ("pod_namespace", false),
    ("pod", false),
    ("pod_uid", false),
    ("workload_kind", false),
    ("workload", false),
    ("pod_labels", false),
];
pub(super) const VOLUME_INTS: [Named; 5] = [
    ("seconds", true),
    ("capacity_mib", true),
    ("used_mib_s", false),
    ("mounted_seconds", false),
    ("mounted_used_mib_s", false),
];
pub(super) const BALANCER_TEXTS: [Named; 11] = [
    ("cluster", true),
    ("balancer_id", true),
    ("namespace", true),
    ("service", true),
    ("name", false),
    ("labels", false),
    ("backend_namespace", false),
    ("backend_service", false),
    ("backend_workload_kind", false),
    ("backend_workload", false),
    ("backend_labels", false),
];
pub(super) const BALANCER_INTS: [Named; 4] = [
    ("seconds", true),
    ("requests", false),
    ("bytes", false),
    ("hosts", false),
];

impl Table {
    /// What a volume row says.
    pub fn volume(&self, cells: &[&str], hour: Hour) -> Result<Fact, BadCell> {
        let text = |at: usize| self.text(cells, at);
        self.not_empty(cells, &VOLUME_TEXTS[..2])?;
        let most = MOST_VOLUME_MIB * u64::from(HOUR_S);
        let facts = VolumeHour {
            hour,
            seconds: self.seconds(cells, 0)?.unwrap_or(0),
            capacity_mib: self.at_most(cells, 1, MOST_VOLUME_MIB)?.unwrap_or(0),
            used_mib_s: self.at_most(cells, 2, most)?,
        };
        let volume = Volume {
            volume_id: text(1).to_owned(),
            namespace: text(2).to_owned(),
            claim: text(3).to_owned(),
            claim_uid: text(4).to_owned(),
            name: text(5).to_owned(),
            storage_class: text(6).to_owned(),
            labels: labels(text(7))?,
            provisioned: some_instant("provisioned", text(8))?,
            claim_deleted: some_instant("claim_deleted", text(9))?,
        };
        let mount = self.mount(cells, &facts)?;
        Ok(Fact::Volume(volume, facts, mount))
    }

    fn mount(&self, cells: &[&str], volume: &VolumeHour) -> Result<Option<(Mount, MountHour)>, BadCell> {
        let text = |at: usize| self.text(cells, at);
        let mounted_s = self.seconds(cells, 3)?;
        let pod = text(11);
        let seconds = match (mounted_s, pod.is_empty()) {
            (None, true) => return Ok(None),
            (Some(seconds), false) if seconds <= volume.seconds => seconds,
            (Some(_), false) => {
                let existed = volume.seconds;
                return Err((
                    "mounted_seconds",
                    format!("is more than the {existed} s for which the volume existed"),
                ));
            }
            (Some(_), true) => return Err(("pod", "is empty, but the volume was mounted".to_owned())),
            (None, false) => return Err(("mounted_seconds", "is empty, but a pod is named".to_owned())),
        };
        // a pod mounts claims of its own namespace
        let namespace = if text(10).is_empty() { text(2) } else { text(10) };
        let pod_uid = match text(12) {
            "" => format!("{namespace}/{pod}"),
            uid => uid.to_owned(),
        };
        let mount = Mount {
            namespace: namespace.to_owned(),
            pod_uid,
            pod: pod.to_owned(),
            workload_kind: text(13).to_owned(),
            workload: text(14).to_owned(),
            labels: labels_of("pod_labels", text(15))?,
        };
        let hour = MountHour {
            hour: volume.hour,
            seconds,
            used_mib_s: self.at_most(cells, 4, MOST_VOLUME_MIB * u64::from(HOUR_S))?,
        };
        Ok(Some((mount, hour)))
    }

    /// What a load balancer row says.
    pub fn balancer(&self, cells: &[&str], hour: Hour) -> Result<Fact, BadCell> {
        let text = |at: usize| self.text(cells, at);
        self.not_empty(cells, &BALANCER_TEXTS[..2])?;
        let balancer = Balancer {
            balancer_id: text(1).to_owned(),
            namespace: text(2).to_owned(),
            service: text(3).to_owned(),
            name: text(4).to_owned(),
            labels: labels(text(5))?,
        };
        let seconds = self.seconds(cells, 0)?.unwrap_or(0);
        let (requests, bytes, hosts) = (self.int(cells, 1)?, self.int(cells, 2)?, self.int(cells, 3)?);
        if text(7).is_empty() {
            if requests.is_some() || bytes.is_some() {
                return Err(("backend_service", "is empty, but there was traffic".to_owned()));
            }
            return Ok(Fact::Balancer(balancer, BalancerHour { hour, seconds }, None));
        }
        let backend = Backend {
            // most services are behind a load balancer of their own namespace
            namespace: if text(6).is_empty() { text(2) } else { text(6) }.to_owned(),
            service: text(7).to_owned(),
            workload_kind: text(8).to_owned(),
            workload: text(9).to_owned(),
            labels: labels_of("backend_labels", text(10))?,
        };
        let facts = BackendHour {
            hour,
            requests,
            bytes,
            // a backend is reached under some name
            hosts: hosts.unwrap_or(1),
        };
        Ok(Fact::Balancer(
            balancer,
            BalancerHour { hour, seconds },
            Some((backend, facts)),
        ))
    }

    /// Refuses a row without the texts that say what it is about.
    fn not_empty(&self, cells: &[&str], names: &[Named]) -> Result<(), BadCell> {
        let empty = (0..).zip(names).find(|(at, _)| self.text(cells, *at).is_empty());
        empty.map_or(Ok(()), |(_, (name, _))| Err((name, "is empty".to_owned())))
    }
}
