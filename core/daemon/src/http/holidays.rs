//! The active holidays, as they were read: from the document and from calendars.

use actix_web::web;
use ringtrip_config::Holiday;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Reader;
use super::operation::{Operations, path};
use super::{Api, Problem};

pub(super) fn operations() -> Vec<Operations> {
    vec![path("/holidays").get(holidays)]
}

/// A day that scripts are told to be a holiday.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HolidayView {
    /// `2026-12-25`.
    pub date: String,
    /// What it is called.
    pub name: String,
}

/// Which years.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Years {
    /// Only this one.
    year: Option<i16>,
}

/// The active days, the first first.
#[utoipa::path(get, path = "/api/v1/holidays", tag = "config", params(Years),
    responses((status = 200, body = Vec<HolidayView>)))]
pub(super) async fn holidays(
    _: Reader,
    api: web::Data<Api>,
    years: web::Query<Years>,
) -> Result<web::Json<Vec<HolidayView>>, Problem> {
    let engine = api.routes.engine();
    let days = engine.router().config().holidays.days().iter();
    Ok(web::Json(days.filter(|d| years.year.is_none_or(|y| d.date.0 == y)).map(HolidayView::from).collect()))
}

impl From<&Holiday> for HolidayView {
    fn from(day: &Holiday) -> HolidayView {
        let (year, month, of_month) = day.date;
        HolidayView { date: format!("{year:04}-{month:02}-{of_month:02}"), name: day.name.clone() }
    }
}
