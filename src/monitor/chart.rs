//! Sheets of bar charts.

use image::RgbImage;

use crate::vision::canvas::{BLUE, Canvas, Colour, FAINT, Font, INK};

/// Bars with their names, one below the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// What is counted.
    pub title: String,
    /// A name and a count, from top to bottom.
    pub bars: Vec<(String, u64)>,
}

const MARGIN: i32 = 24;
const PANEL: i32 = 500;
const ROW: i32 = 19;
const COLUMNS: usize = 2;
/// Behind the bars.
const TRACK: Colour = [236, 239, 243];

/// A sheet with `title`, `lines` of text and `panels` in two columns.
pub fn sheet(title: &str, lines: &[String], panels: &[Bars]) -> RgbImage {
    let height = |bars: &Bars| 28 + ROW * bars.bars.len() as i32 + MARGIN;
    let rows: Vec<&[Bars]> = panels.chunks(COLUMNS).collect();
    let row_height = |row: &[Bars]| row.iter().map(height).max().unwrap_or(0);
    let top = MARGIN + 34 + ROW * lines.len() as i32 + MARGIN;
    let total = top + rows.iter().map(|row| row_height(row)).sum::<i32>();
    let width = MARGIN + (PANEL + MARGIN) * COLUMNS as i32;
    let mut canvas = Canvas::new(width as u32, total as u32);
    canvas.text(MARGIN, MARGIN, title, Font::Large, INK);
    for (i, line) in lines.iter().enumerate() {
        canvas.text(MARGIN, MARGIN + 34 + ROW * i as i32, line, Font::Plain, FAINT);
    }
    let mut y = top;
    for row in rows {
        for (column, bars) in row.iter().enumerate() {
            panel(&mut canvas, MARGIN + column as i32 * (PANEL + MARGIN), y, bars);
        }
        y += row_height(row);
    }
    canvas.picture
}

fn panel(canvas: &mut Canvas, x: i32, y: i32, bars: &Bars) {
    canvas.text(x, y, &bars.title, Font::Bold, INK);
    let (cell, _) = Font::Plain.cell();
    let names = bars.bars.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0) as i32 * cell;
    let total: u64 = bars.bars.iter().map(|(_, count)| count).sum();
    let most = bars.bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let left = x + names + 10;
    // Room for a count and a share to the right.
    let length = (x + PANEL - left - 21 * cell).max(20);
    for (i, (name, count)) in bars.bars.iter().enumerate() {
        let y = y + 26 + ROW * i as i32;
        canvas.text(x, y, name, Font::Plain, INK);
        canvas.fill(left, y + 1, length as u32, 12, TRACK);
        let share = *count as f64 / most as f64;
        canvas.fill(left, y + 1, (f64::from(length) * share).round() as u32, 12, BLUE);
        let percent = 100.0 * *count as f64 / total.max(1) as f64;
        canvas.text(left + length + 8, y, &format!("{count:>9}  {percent:>5.1} %"), Font::Plain, FAINT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_counts() {
        let bars = Bars { title: "t".into(), bars: vec![("a".into(), 10), ("b".into(), 5), ("c".into(), 0)] };
        let sheet = sheet("title", &["a line".into()], &[bars.clone(), bars]);
        let blue: Vec<usize> = (0..sheet.height())
            .map(|y| (0..sheet.width() / 2).filter(|&x| sheet.get_pixel(x, y).0 == BLUE).count())
            .filter(|&count| count > 0)
            .collect();
        let (most, least) = (*blue.iter().max().unwrap(), *blue.iter().min().unwrap());
        assert!(most.abs_diff(2 * least) <= 1 && blue.len() == 24, "{blue:?}");
    }
}
