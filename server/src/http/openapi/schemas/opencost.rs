//! OpenCost-shaped answers: the only ones with numbers for money. The fields of
//! a group are the original's; what is ours beside them is listed.

use super::{Named, flag, list, map, object, text, to};
use serde_json::{Value, json};

fn float() -> Value {
    json!({ "type": "number" })
}

fn envelope(data: Value) -> Value {
    json!({
        "type": "object",
        "required": ["code", "data"],
        "properties": {
            "code": { "type": "integer" },
            "data": data,
            "message": text(),
            "warning": text(),
            "warnings": list(text()),
            "currency": text(),
            "exactTotal": to("Money"),
        },
    })
}

/// An object that may lack fields.
fn some(fields: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties })
}

fn numbers(names: &[&str]) -> Vec<(String, Value)> {
    names.iter().map(|name| ((*name).to_owned(), float())).collect()
}

const ALLOCATION: [&str; 42] = [
    "minutes",
    "cpuCores",
    "cpuCoreRequestAverage",
    "cpuCoreUsageAverage",
    "cpuCoreHours",
    "cpuCost",
    "cpuCostAdjustment",
    "cpuCostIdle",
    "cpuEfficiency",
    "gpuCount",
    "gpuRequestAverage",
    "gpuUsageAverage",
    "gpuHours",
    "gpuCost",
    "gpuCostAdjustment",
    "gpuCostIdle",
    "gpuEfficiency",
    "networkTransferBytes",
    "networkReceiveBytes",
    "networkCost",
    "networkCrossZoneCost",
    "networkCrossRegionCost",
    "networkInternetCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "pvBytes",
    "pvByteHours",
    "pvCost",
    "pvCostAdjustment",
    "ramBytes",
    "ramByteRequestAverage",
    "ramByteUsageAverage",
    "ramByteHours",
    "ramCost",
    "ramCostAdjustment",
    "ramCostIdle",
    "ramEfficiency",
    "externalCost",
    "sharedCost",
    "totalCost",
    "totalEfficiency",
];

fn allocation() -> Value {
    let mut properties: serde_json::Map<String, Value> = numbers(&ALLOCATION).into_iter().collect();
    for (name, schema) in [
        ("name", text()),
        ("properties", to("AllocationProperties")),
        ("window", to("Window")),
        ("start", text()),
        ("end", text()),
        ("pvs", json!({ "type": "null" })),
        ("lbAllocations", json!({ "type": "null" })),
        ("unused", to("UnusedCapacity")),
    ] {
        properties.insert(name.to_owned(), schema);
    }
    json!({ "type": "object", "required": ["name", "window", "minutes", "totalCost"], "properties": properties })
}

fn asset() -> Value {
    let mut properties: serde_json::Map<String, Value> = numbers(&[
        "minutes",
        "cpuCores",
        "ramBytes",
        "cpuCoreHours",
        "ramByteHours",
        "GPUHours",
        "preemptible",
        "discount",
        "cpuCost",
        "gpuCost",
        "gpuCount",
        "ramCost",
        "adjustment",
        "totalCost",
        "byteHours",
        "bytes",
    ])
    .into_iter()
    .collect();
    for (name, schema) in [
        (
            "type",
            json!({ "type": "string", "enum": ["Node", "Disk", "LoadBalancer"] }),
        ),
        ("properties", map(text())),
        ("labels", map(text())),
        ("window", to("Window")),
        ("start", text()),
        ("end", text()),
        ("nodeType", text()),
        ("pool", text()),
        ("cpuBreakdown", map(float())),
        ("ramBreakdown", map(float())),
        ("breakdown", map(float())),
        ("byteHoursUsed", json!({ "type": ["number", "null"] })),
        ("byteUsageMax", json!({ "type": ["number", "null"] })),
        ("storageClass", text()),
        ("volumeName", text()),
        ("claimName", text()),
        ("claimNamespace", text()),
        ("ip", text()),
        ("local", float()),
    ] {
        properties.insert(name.to_owned(), schema);
    }
    json!({ "type": "object", "required": ["type", "totalCost"], "properties": properties })
}

pub(super) fn opencost() -> Named {
    let summary: serde_json::Map<String, Value> = numbers(&ALLOCATION)
        .into_iter()
        .chain([
            ("name".to_owned(), text()),
            ("start".to_owned(), text()),
            ("end".to_owned(), text()),
        ])
        .collect();
    let cost = || object([("cost", float()), ("kubernetesPercent", float())]);
    let row = || {
        object([
            ("name", text()),
            (
                "labels",
                json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } }),
            ),
            ("kubernetesPercent", float()),
            ("cost", float()),
        ])
    };
    vec![
        (
            "OpenCostError",
            object([("code", json!({ "type": "integer" })), ("message", text())]),
        ),
        ("Window", object([("start", text()), ("end", text())])),
        ("Allocations", envelope(list(map(to("Allocation"))))),
        ("Allocation", allocation()),
        (
            "AllocationProperties",
            some(&[
                ("cluster", text()),
                ("node", text()),
                ("container", text()),
                ("controller", text()),
                ("controllerKind", text()),
                ("namespace", text()),
                ("pod", text()),
                ("providerID", text()),
                ("services", list(text())),
                ("labels", map(text())),
                ("annotations", map(text())),
            ]),
        ),
        (
            "UnusedCapacity",
            object([
                ("idleCapacity", float()),
                ("notReady", float()),
                ("unobserved", float()),
                ("other", float()),
            ]),
        ),
        (
            "SummaryAllocation",
            json!({ "type": "object", "required": ["name", "totalCost"], "properties": summary }),
        ),
        (
            "AllocationTopline",
            envelope(object([
                ("numResults", json!({ "type": "integer" })),
                (
                    "combined",
                    json!({ "anyOf": [to("SummaryAllocation"), { "type": "null" }] }),
                ),
            ])),
        ),
        (
            "AllocationSummary",
            envelope(some(&[
                ("step", json!({ "type": "integer" })),
                (
                    "sets",
                    list(object([
                        ("allocations", map(to("SummaryAllocation"))),
                        ("window", to("Window")),
                    ])),
                ),
                ("window", to("Window")),
            ])),
        ),
        ("Assets", envelope(map(to("Asset")))),
        ("Asset", asset()),
        (
            "CloudCosts",
            envelope(object([
                (
                    "sets",
                    list(object([
                        ("cloudCosts", map(to("CloudCost"))),
                        ("window", to("Window")),
                        ("aggregationProperties", list(text())),
                    ])),
                ),
                ("window", to("Window")),
            ])),
        ),
        (
            "CloudCost",
            object([
                (
                    "properties",
                    json!({ "type": "object", "additionalProperties": {
                        "type": ["string", "object"], "additionalProperties": { "type": "string" },
                    } }),
                ),
                ("window", to("Window")),
                ("listCost", cost()),
                ("netCost", cost()),
                ("amortizedNetCost", cost()),
                ("invoicedCost", cost()),
                ("amortizedCost", cost()),
            ]),
        ),
        (
            "CloudCostGraph",
            envelope(list(object([
                ("start", text()),
                ("end", text()),
                ("items", list(object([("name", text()), ("value", float())]))),
            ]))),
        ),
        (
            "CloudCostTotals",
            envelope(object([
                ("numResults", json!({ "type": "integer" })),
                ("combined", row()),
            ])),
        ),
        ("CloudCostTable", envelope(list(row()))),
    ]
}

/// A query parameter.
fn parameter(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn window() -> Value {
    let mut window = parameter(
        "window",
        "today, yesterday, week, lastweek, month, lastmonth, 7d, 24h, two unix times or two dates with a comma between",
        &text(),
    );
    window["required"] = json!(true);
    window
}

fn currency() -> Value {
    parameter("currency", "Currency; needed when the window has several", &text())
}

pub(in super::super) fn allocation_parameters() -> Vec<Value> {
    let texts = [
        (
            "aggregate",
            "Fields with commas between: cluster, node, namespace, controller, controllerKind, pod, container, \
             service, deployment, statefulset, daemonset, job, label:NAME, annotation:NAME; all rows when left out",
        ),
        (
            "step",
            "Length of a set in whole hours: 1h, 1d, 1w; the window when left out",
        ),
        ("accumulate", "true: one set; or hour, day, week, month, quarter"),
        ("accumulateBy", "As accumulate"),
        (
            "shareIdle",
            "true or weighted: idle capacity goes to the rows by cost, within cluster or node",
        ),
        ("shareNamespaces", "Namespaces whose cost the others share"),
        ("shareLabels", "Labels (key:value) whose cost the others share"),
        ("shareCost", "An amount a month that the rows share besides"),
        ("filter", "namespace:\"a\",\"b\"+label[app]:\"x\", see docs/FORMATS.md"),
        ("filterNamespaces", "The older form of filters, one parameter per field"),
    ];
    let mut all = vec![window()];
    all.extend(texts.map(|(name, description)| parameter(name, description, &text())));
    let switches = [
        ("includeIdle", "Capacity nobody holds is in the answer"),
        ("idleByNode", "Idle capacity is by node, not by cluster"),
        ("splitIdle", "A row of idle capacity per cluster or node"),
        ("includeAggregatedMetadata", "Labels that all rows of a group have"),
    ];
    all.extend(switches.map(|(name, description)| parameter(name, description, &flag())));
    all.push(parameter(
        "shareSplit",
        "How shared costs are split; evenly means over namespaces",
        &json!({ "type": "string", "enum": ["weighted", "even"], "default": "weighted" }),
    ));
    all.push(currency());
    all
}

pub(in super::super) fn asset_parameters() -> Vec<Value> {
    vec![
        window(),
        parameter(
            "filter",
            "assetType:\"node\", assetType:\"disk\" or assetType:\"loadbalancer\"",
            &text(),
        ),
        parameter("filterTypes", "Node, Disk, LoadBalancer", &text()),
        currency(),
    ]
}

pub(in super::super) fn cloud_parameters(view: bool) -> Vec<Value> {
    let mut all = vec![
        window(),
        parameter(
            "aggregate",
            "Fields with commas between: provider, service, category, accountID, invoiceEntityID, regionID, \
             providerID, label:NAME",
            &text(),
        ),
        parameter("accumulate", "true: one set; or day, week, month, quarter", &text()),
        parameter("filter", "service:\"a\"+label[app]:\"x\"", &text()),
        currency(),
    ];
    if view {
        let count = json!({ "type": "integer", "minimum": 0 });
        all.extend([
            parameter(
                "costMetric",
                "Which cost",
                &json!({ "type": "string", "default": "amortizedNetCost", "enum":
                    ["listCost", "netCost", "amortizedNetCost", "invoicedCost", "amortizedCost"] }),
            ),
            parameter("sortBy", "cost, name or kubernetesPercent", &text()),
            parameter("sortByOrder", "asc or desc", &text()),
            parameter("limit", "Rows at most; 0 = all", &count),
            parameter("offset", "Rows passed over", &count),
        ]);
    }
    all
}
