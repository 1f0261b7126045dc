//! The list of a generated lake's files, for us and for the peer.

use crate::Result;
use domain::Money;
use domain::instant::Day;
use lake::ChargeFile;
use lake::usage::UsageFile;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Its name in the folder.
const NAME: &str = "manifest.json";

/// What was generated.
pub struct Manifest {
    /// One per day, in order.
    pub usage: Vec<UsageFile>,
    /// Of the same days.
    pub charges: Vec<ChargeFile>,
    /// The bill.
    pub total: Money,
    /// That of the last day.
    pub newest_total: Money,
    pub node_hours: u64,
    pub facts: Value,
}

impl Manifest {
    /// What to tell of it.
    pub fn summary(&self) -> Value {
        json!({
            "total": self.total.to_string(),
            "newest_total": self.newest_total.to_string(),
            "node_hours": self.node_hours,
            "container_hours": self.usage.iter().map(|file| file.slot_hours).sum::<u64>(),
            "facts": self.facts,
        })
    }

    /// Writes it last of all: a folder without one is not complete.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let days = self.usage.iter().zip(&self.charges).map(|(usage, charges)| {
            json!({
                "day": usage.day.0,
                "cluster": usage.cluster,
                "nodes": usage.nodes_path,
                "slots": usage.slots_path,
                "hours": usage.hours_path,
                "sha256": usage.sha256,
                "container_hours": usage.slot_hours,
                "node_hours": usage.node_hours,
                "charges": charges.path,
            })
        });
        let mut document = self.summary();
        document["days"] = days.collect();
        fs::write(folder.join(NAME), serde_json::to_string_pretty(&document)?)?;
        Ok(())
    }

    pub fn read(folder: &Path) -> Result<Manifest> {
        let document: Value = serde_json::from_str(&fs::read_to_string(folder.join(NAME))?)?;
        let text = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or("a text is missing in the manifest")
        };
        let number = |value: &Value| value.as_u64().ok_or("a number is missing in the manifest");
        let mut manifest = Manifest {
            usage: Vec::new(),
            charges: Vec::new(),
            total: Money::parse(&text(&document["total"])?)?,
            newest_total: Money::parse(&text(&document["newest_total"])?)?,
            node_hours: number(&document["node_hours"])?,
            facts: document["facts"].clone(),
        };
        for day in document["days"].as_array().ok_or("no days in the manifest")? {
            let at = i32::try_from(number(&day["day"])?)?;
            manifest.usage.push(UsageFile {
                cluster: text(&day["cluster"])?,
                day: Day(at),
                nodes_path: text(&day["nodes"])?,
                slots_path: text(&day["slots"])?,
                hours_path: text(&day["hours"])?,
                volumes_path: None,
                balancers_path: None,
                sizing_path: None,
                sha256: text(&day["sha256"])?,
                slot_hours: number(&day["container_hours"])?,
                node_hours: number(&day["node_hours"])?,
                ready_s: 3_600 * number(&day["node_hours"])?,
                observed_s: 3_600 * number(&day["node_hours"])?,
                last_hour: at * 24 + 23,
                pools: Vec::new(),
            });
            manifest.charges.push(ChargeFile {
                path: text(&day["charges"])?,
                delivery_id: "bench".to_owned(),
            });
        }
        Ok(manifest)
    }

    pub fn first_day(&self) -> Result<Day> {
        Ok(self.usage.first().ok_or("no days")?.day)
    }

    /// The last day and its charges.
    pub fn newest(&self) -> Option<(&UsageFile, &[ChargeFile])> {
        let newest = self.usage.iter().enumerate().max_by_key(|(_, file)| file.day)?;
        Some((newest.1, &self.charges[newest.0..=newest.0]))
    }

    /// Lists so many months, this one among them: the older ones are this
    /// month's files under further names, so that they take no room.
    pub fn add_history(&mut self, folder: &Path, months: i32) -> Result<()> {
        let own = self.usage.len();
        for month in 1..months {
            for at in 0..own {
                let day = Day(self.usage[at].day.0 - 31 * month);
                let link = |path: &str| -> Result<String> {
                    let name = format!("history/{}/{path}", day.date());
                    let (from, to) = (folder.join("lake").join(path), folder.join("lake").join(&name));
                    if !to.is_file() {
                        fs::create_dir_all(to.parent().unwrap_or(folder))?;
                        fs::hard_link(from, &to)?;
                    }
                    Ok(name)
                };
                let usage = UsageFile {
                    day,
                    nodes_path: link(&self.usage[at].nodes_path)?,
                    slots_path: link(&self.usage[at].slots_path)?,
                    hours_path: link(&self.usage[at].hours_path)?,
                    ..self.usage[at].clone()
                };
                let charges = ChargeFile {
                    path: link(&self.charges[at].path)?,
                    ..self.charges[at].clone()
                };
                self.usage.push(usage);
                self.charges.push(charges);
            }
        }
        Ok(())
    }
}
