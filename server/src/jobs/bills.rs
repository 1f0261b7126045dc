//! Bills that are taken in again and again.

use crate::app::App;
use crate::app::schedules::Schedule;
use domain::access::Scope;

/// Starts a task for each schedule; they end with the program, at any moment:
/// an ingest can be killed at any line.
pub(crate) fn start(app: &App, schedules: &[Schedule]) {
    app.set_schedules(schedules);
    for (number, schedule) in schedules.iter().cloned().enumerate() {
        let app = app.acting(Scope::system("schedule"));
        tokio::spawn(async move {
            loop {
                app.run_schedule(number, &schedule).await;
                tokio::time::sleep(schedule.every).await;
            }
        });
    }
}
