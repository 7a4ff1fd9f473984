package main

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// colors are those of the model and of runs.
func colors() (byModel, byRun color.Color) {
	return color.RGBA{R: 0x80, G: 0x80, B: 0x80, A: 0xff}, color.RGBA{R: 0x1b, G: 0x6c, B: 0xa8, A: 0xff}
}

// plotProved draws for how much of the time stripes have so many proved shards.
func plotProved(path string, p pair) error {
	var byModel, byRun plotter.XYs
	total := 0
	for _, n := range p.run.stats.proved {
		total += n
	}
	for proved, n := range p.run.stats.proved {
		if proved < int(p.run.options.class.K)-1 {
			continue
		}
		byRun = append(byRun, plotter.XY{X: float64(proved), Y: float64(n) / float64(max(total, 1))})
		byModel = append(byModel, plotter.XY{X: float64(proved), Y: p.model.proved[proved]})
	}
	return drawBoth(path, "Proved shards of a stripe", "shards", "share of stripes and rounds", byModel, byRun, false)
}

// plotLosses draws losses over the mean life; runs that lost nothing are left out.
func plotLosses(path string, pairs []pair) error {
	var byModel, byRun plotter.XYs
	for _, p := range pairs {
		if p.model.losses > 1e-12 {
			byModel = append(byModel, plotter.XY{X: p.run.options.life, Y: p.model.losses})
		}
		if p.run.losses > 0 {
			byRun = append(byRun, plotter.XY{X: p.run.options.life, Y: p.run.losses})
		}
	}
	return drawBoth(path, "Stripes lost", "mean life of a node in days", "per stripe and year", byModel, byRun, true)
}

func plotTraffic(path string, pairs []pair) error {
	var byModel, byRun plotter.XYs
	for _, p := range pairs {
		byModel = append(byModel, plotter.XY{X: p.run.options.life, Y: p.model.traffic})
		byRun = append(byRun, plotter.XY{X: p.run.options.life, Y: p.run.traffic})
	}
	return drawBoth(path, "Repair traffic", "mean life of a node in days", "bytes per stored byte and year", byModel, byRun, true)
}

// drawBoth draws the model as a line and the runs as dots.
func drawBoth(path, title, x, y string, byModel, byRun plotter.XYs, logarithmic bool) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Legend.Top = true
	if logarithmic {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	p.Add(plotter.NewGrid())
	modelColor, runColor := colors()
	if len(byModel) > 0 {
		line, err := plotter.NewLine(byModel)
		if err != nil {
			return err
		}
		line.Color, line.Width = modelColor, vg.Points(1.5)
		p.Add(line)
		p.Legend.Add("model", line)
	}
	if len(byRun) > 0 {
		dots, err := plotter.NewScatter(byRun)
		if err != nil {
			return err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: runColor, Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
		p.Add(dots)
		p.Legend.Add("simulated", dots)
	}
	if logarithmic {
		p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(p.Y.Min))), math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))
	}
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, path)
}
