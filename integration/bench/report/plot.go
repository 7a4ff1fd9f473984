package report

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"pifs/integration/bench/target"
)

// palette has a color for each of target.All, in that order.
func palette() []color.Color {
	return []color.Color{
		color.RGBA{R: 0x1b, G: 0x6c, B: 0xa8, A: 0xff},
		color.RGBA{R: 0x80, G: 0x80, B: 0x80, A: 0xff},
		color.RGBA{R: 0x2e, G: 0x8b, B: 0x57, A: 0xff},
		color.RGBA{R: 0xd9, G: 0x8c, B: 0x2b, A: 0xff},
	}
}

// bars are the speeds of one target with their ranges, one per row.
type bars struct {
	plotter.XYs
	low, high []float64
}

var (
	_ plotter.XYer     = bars{}
	_ plotter.XErrorer = bars{}
)

func (b bars) XError(i int) (low, high float64) { return b.low[i], b.high[i] }

// plotSpeeds draws, for every workload, how fast each target was compared with
// the null file system, or with the disk where that cannot do it.
func (r *Report) plotSpeeds(path string) error {
	var names []string
	rows := make(map[string]int)
	for _, w := range slices.Backward(r.Workloads) {
		if _, ok := r.base(w); ok {
			rows[w.Name] = len(names)
			names = append(names, w.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	p := plot.New()
	p.Title.Text = "Speed, null file system = 1 (disk = 1 where data must be kept); bars from the slowest run to the fastest"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid())
	for i, t := range target.All() {
		if err := r.addTarget(p, t, rows, palette()[i]); err != nil {
			return err
		}
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.7, float64(len(names))-0.3
	decades(&p.X)
	return p.Save(30*vg.Centimeter, vg.Length(len(names)+4)*0.6*vg.Centimeter, path)
}

// base returns what the speeds of a workload are compared with, in seconds.
func (r *Report) base(w Workload) (float64, bool) {
	sums := r.Summaries[w.Name]
	for _, t := range []string{target.Null, target.Disk} {
		if s, ok := sums[t]; ok && s.Median > 0 {
			return s.Median, true
		}
	}
	return 0, false
}

func (r *Report) addTarget(p *plot.Plot, t string, rows map[string]int, c color.Color) error {
	var b bars
	for _, w := range r.Workloads {
		base, ok := r.base(w)
		s := r.Summaries[w.Name][t]
		if !ok || s.Runs == 0 || s.Low <= 0 {
			continue
		}
		x := base / s.Median
		b.XYs = append(b.XYs, plotter.XY{X: x, Y: float64(rows[w.Name])})
		b.low, b.high = append(b.low, base/s.High-x), append(b.high, base/s.Low-x)
	}
	if len(b.XYs) == 0 {
		return nil
	}
	points, err := plotter.NewScatter(b.XYs)
	if err != nil {
		return fmt.Errorf("plot %s: %w", t, err)
	}
	ranges, err := plotter.NewXErrorBars(b)
	if err != nil {
		return fmt.Errorf("plot %s: %w", t, err)
	}
	points.GlyphStyle = draw.GlyphStyle{Color: c, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
	ranges.LineStyle.Color = c
	p.Add(ranges, points)
	p.Legend.Add(t, points)
	return nil
}
