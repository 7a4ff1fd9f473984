package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// plot draws every series over time, one below the other, with the line
// through its second half. The ending of path says in which format.
func (r *report) plot(path string) error {
	plots := make([][]*plot.Plot, len(series))
	for i, s := range series {
		p, err := r.one(s.name, s.unit, s.value)
		if err != nil {
			return fmt.Errorf("plot %s: %w", s.name, err)
		}
		plots[i] = []*plot.Plot{p}
	}
	format := strings.TrimPrefix(filepath.Ext(path), ".")
	w, h := 18*vg.Centimeter, vg.Length(len(series))*4*vg.Centimeter
	c, err := draw.NewFormattedCanvas(w, h, format)
	if err != nil {
		return fmt.Errorf("plot %s: %w", path, err)
	}
	tiles := draw.Tiles{Rows: len(series), Cols: 1, PadY: vg.Points(10), PadLeft: vg.Points(4), PadRight: vg.Points(12)}
	canvases := plot.Align(plots, tiles, draw.New(c))
	for i := range plots {
		plots[i][0].Draw(canvases[i][0])
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := c.WriteTo(f); err != nil {
		f.Close()
		return fmt.Errorf("plot %s: %w", path, err)
	}
	return f.Close()
}

func (r *report) one(name, unit string, value func(sample) float64) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = name
	if unit != "" {
		p.Title.Text += ", " + unit
	}
	p.X.Label.Text = "minutes"
	p.Y.Min = 0
	x, y := columns(r.Samples, value)
	points := make(plotter.XYs, len(x))
	for i := range x {
		points[i] = plotter.XY{X: x[i] / 60, Y: y[i]}
	}
	if len(points) == 0 {
		return p, nil
	}
	line, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	line.Color = color.RGBA{R: 0x1b, G: 0x6c, B: 0xa8, A: 0xff}
	half := points[len(points)/2:]
	t := r.Trends[name]
	from, to := half[0].X, half[len(half)-1].X
	middle := mean(x[len(x)/2:]) / 60
	at := func(minute float64) float64 { return t.Mean + t.Slope*(minute-middle)/60 }
	through, err := plotter.NewLine(plotter.XYs{{X: from, Y: at(from)}, {X: to, Y: at(to)}})
	if err != nil {
		return nil, err
	}
	through.Color = color.RGBA{R: 0xd9, G: 0x3c, B: 0x2b, A: 0xff}
	p.Add(plotter.NewGrid(), line, through)
	return p, nil
}
