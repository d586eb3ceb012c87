package main

import (
	"image"
	"image/draw"

	"lwa-agent/display/displaytest"
)

// readCode reads the QR code in a picture that need not be upright. The decoder
// misses one good code in a hundred: it takes other parts of it for its corners.
// Turned by a quarter it nearly always finds the right ones.
func readCode(picture image.Image) (text string, err error) {
	grey := image.NewGray(picture.Bounds())
	draw.Draw(grey, grey.Rect, picture, grey.Rect.Min, draw.Src)
	for range 4 {
		if text, err = displaytest.DecodeQR(grey); err == nil {
			return text, nil
		}
		grey = quarterTurn(grey)
	}
	return "", err
}

func quarterTurn(picture *image.Gray) *image.Gray {
	size := picture.Rect.Size()
	turned := image.NewGray(image.Rect(0, 0, size.Y, size.X))
	for y := range size.Y {
		for x, v := range picture.Pix[y*picture.Stride:][:size.X] {
			turned.Pix[x*turned.Stride+size.Y-1-y] = v
		}
	}
	return turned
}
