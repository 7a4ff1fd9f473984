package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plot draws, for every workload, how fast each target was compared with the
// null file system.
func (r *report) plot(path string) error {
	p := plot.New()
	p.Title.Text = "Speed, null file system = 1"
	p.Y.Label.Text = "times as fast"
	p.Title.Padding = vg.Points(8)
	p.Y.Min = 0
	p.Legend.Top = true
	width := vg.Points(11)
	for i, t := range []struct {
		name  string
		color color.Color
	}{
		{"pifs", color.RGBA{R: 0x1b, G: 0x6c, B: 0xa8, A: 0xff}},
		{"null", color.RGBA{R: 0xb0, G: 0xb0, B: 0xb0, A: 0xff}},
		{"disk", color.RGBA{R: 0xd9, G: 0x8c, B: 0x2b, A: 0xff}},
		{"gocryptfs", color.RGBA{R: 0x5a, G: 0x9e, B: 0x4b, A: 0xff}},
	} {
		values := make(plotter.Values, len(r.work))
		for j, w := range r.work {
			sums := r.Summaries[w.name]
			if m := sums[t.name].Median; m > 0 {
				values[j] = sums["null"].Median / m
			}
		}
		bars, err := plotter.NewBarChart(values, width)
		if err != nil {
			return fmt.Errorf("plot %s: %w", t.name, err)
		}
		bars.Color = t.color
		bars.LineStyle.Width = 0
		bars.Offset = (vg.Length(i) - 1.5) * width
		p.Add(bars)
		p.Legend.Add(t.name, bars)
	}
	names := make([]string, len(r.work))
	for i, w := range r.work {
		names[i] = w.name
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.6, float64(len(names))-0.4
	return p.Save(vg.Length(len(names)+2)*2*vg.Centimeter, 10*vg.Centimeter, path)
}
