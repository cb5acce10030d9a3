import { render } from "preact";
import "./style/base.css";
import "./style/board.css";
import "./style/phone.css";
import "./style/paper.css";
import { Console } from "./app";

const root = document.getElementById("console");
if (root) render(<Console />, root);
