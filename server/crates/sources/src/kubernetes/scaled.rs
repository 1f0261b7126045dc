//! Workload controllers whose replicas are wanted: of their objects nothing but
//! metadata and replicas is taken in, as pod templates are large.

use super::objects::{OwnerFact, owner_fact};
use super::quantity::QuantityError;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;
use std::borrow::Cow;
use std::marker::PhantomData;

/// A Deployment, StatefulSet or DaemonSet.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound = "")]
pub struct Scaled<K> {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Wanted,
    #[serde(default)]
    status: Placed,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Wanted {
    replicas: Option<i32>,
}

/// Of a DaemonSet: the nodes that are to have one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    desired_number_scheduled: Option<i32>,
}

impl<K: Resource<DynamicType = ()>> Resource for Scaled<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(_: &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The link of a workload controller, with the replicas it wants.
pub fn scaled<K: Resource<DynamicType = ()>>(object: &Scaled<K>) -> Result<OwnerFact, QuantityError> {
    let wanted = if K::kind(&()) == "DaemonSet" {
        object.status.desired_number_scheduled
    } else {
        // the API server's own default
        Some(object.spec.replicas.unwrap_or(1))
    };
    Ok(OwnerFact {
        replicas: wanted.and_then(|replicas| u32::try_from(replicas).ok()),
        ..owner_fact(&object.metadata)
    })
}
