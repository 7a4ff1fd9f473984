package report

import (
	"fmt"
	"math"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Curve is a time as a function of something, on several targets.
type Curve struct {
	File    string // name of the plot, without its ending
	Title   string
	X       string
	Targets []string
	Points  []CurvePoint
}

// CurvePoint names the workload that tells the time at X.
type CurvePoint struct {
	X        float64
	Workload string
}

func (r *Report) plotCurves(dir string) error {
	for _, c := range r.curves {
		if err := r.plotCurve(c, filepath.Join(dir, c.File+".svg")); err != nil {
			return fmt.Errorf("plot %s: %w", c.File, err)
		}
	}
	return nil
}

// plotCurve draws nothing if fewer than two points were measured.
func (r *Report) plotCurve(c Curve, path string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, "seconds"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	drawn := 0
	for i, t := range c.Targets {
		var points plotter.XYs
		for _, at := range c.Points {
			if s := r.Summaries[at.Workload][t]; s.Median > 0 {
				points = append(points, plotter.XY{X: at.X, Y: s.Median})
			}
		}
		if len(points) < 2 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		color := palette()[i%len(palette())]
		line.Color, dots.GlyphStyle = color, draw.GlyphStyle{Color: color, Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
		p.Add(line, dots)
		p.Legend.Add(t, line, dots)
		drawn++
	}
	if drawn == 0 {
		return nil
	}
	decades(&p.Y)
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, path)
}

// decades has a logarithmic axis begin and end at powers of ten.
func decades(a *plot.Axis) {
	a.Min, a.Max = math.Pow(10, math.Floor(math.Log10(a.Min))), math.Pow(10, math.Ceil(math.Log10(a.Max)))
}
