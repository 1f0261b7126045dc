//! Tags of a report: a column per tag (legacy, Athena) or a map (CUR 2.0).
//!
//! CUR 2.0 and Athena write `-`, `.`, `/` and `:` of a key as `_` and lower its
//! case, so keys that classes and joins look for are put back as AWS spells them.

use super::super::{Row, memo::Memo, names::Names};
use crate::tags::{self, Tags};

/// Keys that AWS makes itself, in its own spelling.
const OWN_KEYS: &[(&str, &str)] = &[
    ("aws_eks_cluster_name", "aws:eks:cluster-name"),
    ("aws_eks_node", "aws:eks:node"),
    ("aws_eks_namespace", "aws:eks:namespace"),
    ("aws_eks_deployment", "aws:eks:deployment"),
    ("aws_eks_workload_name", "aws:eks:workload-name"),
    ("aws_eks_workload_type", "aws:eks:workload-type"),
    ("aws_ecs_cluster_name", "aws:ecs:clusterName"),
    ("aws_ecs_service_name", "aws:ecs:serviceName"),
    ("aws_autoscaling_group_name", "aws:autoscaling:groupName"),
    ("aws_autoscaling_groupname", "aws:autoscaling:groupName"),
    ("aws_cloudformation_stack_name", "aws:cloudformation:stack-name"),
    ("aws_createdby", "aws:createdBy"),
    ("aws_created_by", "aws:createdBy"),
    ("eks_cluster_name", "eks:cluster-name"),
    (
        "kubernetes_io_created_for_pvc_name",
        "kubernetes.io/created-for/pvc/name",
    ),
    (
        "kubernetes_io_created_for_pvc_namespace",
        "kubernetes.io/created-for/pvc/namespace",
    ),
    ("kubernetes_io_created_for_pv_name", "kubernetes.io/created-for/pv/name"),
    ("kubernetes_io_service_name", "kubernetes.io/service-name"),
];
const CLUSTER_PREFIX: &str = "kubernetes_io_cluster_";

/// Where the tags are.
pub(super) struct TagColumns {
    columns: Vec<(usize, String)>,
    map: Option<usize>,
    /// Finished tags by map, of reports whose tags are a map alone.
    finished: Memo<String>,
    /// Of the row, where they are more than a map.
    made: String,
}

impl TagColumns {
    pub fn new(names: &Names) -> TagColumns {
        let columns = names.headers.iter().enumerate();
        TagColumns {
            columns: columns
                .filter_map(|(at, header)| Some((at, key_of_column(header)?)))
                .collect(),
            map: names.find("resourcetags"),
            finished: Memo::default(),
            made: String::new(),
        }
    }

    /// The columns that become tags.
    pub fn positions(&self) -> Vec<usize> {
        self.columns.iter().map(|(at, _)| *at).chain(self.map).collect()
    }

    /// The tags of a row as JSON; a map that cannot be read is passed on as it
    /// is, so that the row is refused with its text.
    pub fn of(&mut self, row: &Row<'_>) -> &str {
        let cell = row.get(self.map);
        if let Some(cell) = cell.filter(|_| self.columns.is_empty()) {
            return self.finished.of(cell, |cell| made(&[], row, Some(cell)));
        }
        self.made = made(&self.columns, row, cell);
        &self.made
    }
}

fn made(columns: &[(usize, String)], row: &Row<'_>, cell: Option<&[u8]>) -> String {
    let mut found = Tags::new();
    for (at, key) in columns {
        if let Some(value) = row.get(Some(*at)) {
            found.insert(key.clone(), String::from_utf8_lossy(value).into_owned());
        }
    }
    if let Some(cell) = cell {
        let Some(map) = std::str::from_utf8(cell).ok().and_then(|text| tags::parse(text).ok()) else {
            return String::from_utf8_lossy(cell).into_owned();
        };
        for (key, value) in map {
            if !value.is_empty() {
                found.insert(key_of_map(&key), value);
            }
        }
    }
    if found.is_empty() {
        return String::new();
    }
    // text to text always becomes JSON
    serde_json::to_string(&found).unwrap_or_default()
}

/// `resourceTags/user:tenant` and `resource_tags_user_tenant` are `tenant`.
fn key_of_column(header: &str) -> Option<String> {
    if let Some(key) = header.strip_prefix("resourceTags/") {
        return Some(key.strip_prefix("user:").unwrap_or(key).to_owned());
    }
    let key = header.to_ascii_lowercase();
    key.strip_prefix("resource_tags_").map(key_of_map)
}

fn key_of_map(key: &str) -> String {
    let plain = key
        .strip_prefix("user_")
        .or_else(|| key.strip_prefix("user:"))
        .unwrap_or(key);
    if let Some((_, own)) = OWN_KEYS.iter().find(|(flat, _)| *flat == plain) {
        return (*own).to_owned();
    }
    match plain.strip_prefix(CLUSTER_PREFIX) {
        Some(cluster) => format!("kubernetes.io/cluster/{cluster}"),
        None => plain.to_owned(),
    }
}
