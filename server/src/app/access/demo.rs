//! The demo's accounts: one of each role, and a tenant's own.

use super::{App, NewPerson};
use crate::error::AppError;
use domain::access::{Grant, Reach, Role};

/// Login, name and role of each.
const PEOPLE: [(&str, &str, Role); 7] = [
    ("admin@tidewater.example", "Ada Lind", Role::Admin),
    ("finance@tidewater.example", "Femi Okafor", Role::FinancePreparer),
    ("controller@tidewater.example", "Carla Weiss", Role::FinanceApprover),
    ("platform@tidewater.example", "Pavel Novak", Role::Platform),
    ("cto@tidewater.example", "Chiara Conti", Role::Planner),
    ("audit@tidewater.example", "Amir Haddad", Role::Auditor),
    ("viewer@tidewater.example", "Vera Santos", Role::Viewer),
];
/// Login of the one who sees a tenant only.
const TENANT_LOGIN: &str = "tenant@tidewater.example";

impl App {
    /// Makes the accounts of the demo that are not there yet.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_demo_accounts(&self) -> Result<(), AppError> {
        let there: Vec<String> = self
            .accounts()
            .await?
            .into_iter()
            .map(|account| account.login)
            .collect();
        let whole = PEOPLE.map(|(login, name, role)| (login, name.to_owned(), role, Reach::All));
        let (tenants, _) = self.owners_known().await?;
        let tenant = tenants.into_iter().next().map(|tenant| {
            let name = format!("Tomas of {tenant}");
            (TENANT_LOGIN, name, Role::Viewer, Reach::Tenant(tenant))
        });
        for (login, name, role, reach) in whole.into_iter().chain(tenant) {
            if there.iter().any(|known| known == login) {
                continue;
            }
            self.invite(&NewPerson {
                login: login.to_owned(),
                name,
                grants: vec![Grant { role, reach }],
                password: None,
            })
            .await?;
        }
        Ok(())
    }

    /// A one-time path that signs in as the demo's admin; `None` where the data are real.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn demo_link(&self) -> Result<Option<String>, AppError> {
        if !self.is_demo().await? {
            return Ok(None);
        }
        let account = self.account_named(PEOPLE[0].0).await?;
        let code = self.link_code(&account.account_id).await?;
        Ok(Some(format!("/sign-in?code={code}&next=%2F")))
    }
}
